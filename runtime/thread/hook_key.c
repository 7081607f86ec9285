/* SPDX-License-Identifier: MIT
 *
 * Hooks of thread-specific data.
 */
#include "coroutine.h"
#include "hook_inside.h"
#include "hub.h"
#include "keys.h"
#include "scheduler.h"

#include <errno.h>

/* The coroutine whose values count; NULL: those of the thread do. */
static struct green *owner_of_values(pthread_key_t key)
{
    struct hub *hub = hub_current();
    struct green *self = hub != NULL ? scheduler_coroutine(hub->scheduler) : NULL;

    return self != NULL && key_is_ours(key) ? self : NULL;
}

/* --- keys: coroutines may come later ---------------------------------------------------------- */

int greenify_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    int result = pthread_key_create(key, destructor);

    if (result == 0)
        key_born(*key, destructor);
    return result;
}
OWN_ENTRY(pthread_key_create, pthread_key_create);
OWN_ENTRY(__pthread_key_create, pthread_key_create);

int greenify_pthread_key_delete(pthread_key_t key)
{
    key_gone(key);
    return pthread_key_delete(key);
}
OWN_ENTRY(pthread_key_delete, pthread_key_delete);

int greenify_tss_create(tss_t *key, tss_dtor_t destructor)
{
    int result = tss_create(key, destructor);

    if (result == thrd_success)
        key_born(*key, destructor);
    return result;
}
OWN_ENTRY(tss_create, tss_create);

void greenify_tss_delete(tss_t key)
{
    key_gone(key);
    tss_delete(key);
}
OWN_ENTRY(tss_delete, tss_delete);

/* --- values ----------------------------------------------------------------------------------- */

void *greenify_pthread_getspecific(pthread_key_t key)
{
    struct green *self = owner_of_values(key);

    return self == NULL ? pthread_getspecific(key) : key_values_get(self->values, key);
}

int greenify_pthread_setspecific(pthread_key_t key, const void *value)
{
    struct green *self = owner_of_values(key);
    int saved = errno, result;

    if (self == NULL)
        return pthread_setspecific(key, value);
    result = key_values_set(&self->values, key, value) == 0 ? 0 : ENOMEM;
    errno = saved;
    return result;
}

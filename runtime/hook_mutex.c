/* SPDX-License-Identifier: MIT
 *
 * Hooks of mutexes and spin locks. Whatever the protocol (robust, priority), libc's own trylock and
 * unlock do the work; what differs for coroutines is who waits, and who is the owner.
 */
#include "hook_inside.h"
#include "hub.h"
#include "lot.h"
#include "mutex.h"
#include "owners.h"

#include <errno.h>

/* --- owners ----------------------------------------------------------------------------------- */

/* libc's own numbers, fixed by the static initialisers: the type is in the low bits. */
static bool has_owner(const pthread_mutex_t *mutex)
{
    int type = __atomic_load_n(&mutex->__data.__kind, __ATOMIC_RELAXED) & 3;

    return type == PTHREAD_MUTEX_RECURSIVE_NP || type == PTHREAD_MUTEX_ERRORCHECK_NP;
}

static struct owner *find_owner(struct hub *hub, const pthread_mutex_t *mutex)
{
    return owner_find(hub, mutex, __atomic_load_n(&mutex->__data.__owner, __ATOMIC_RELAXED));
}

/* A robust mutex is locked with EOWNERDEAD too. */
static int take(struct hub *hub, pthread_mutex_t *mutex, int result)
{
    if ((result != 0 && result != EOWNERDEAD) || owner_add(hub, mutex) == 0)
        return result;
    (void)pthread_mutex_unlock(mutex);
    return ENOMEM;
}

static int take_again(struct owner *owner, pthread_mutex_t *mutex)
{
    int result = pthread_mutex_trylock(mutex);

    if (result == 0)
        owner->depth++;
    return result;
}

static bool is_error_checking(const pthread_mutex_t *mutex)
{
    return (mutex->__data.__kind & 3) == PTHREAD_MUTEX_ERRORCHECK_NP;
}

/* By the running flow, who may not step back for those that wait for it. */
static bool is_held(struct hub *hub, const pthread_mutex_t *mutex)
{
    struct owner *owner = has_owner(mutex) ? find_owner(hub, mutex) : NULL;

    return owner != NULL && owner_is_self(hub, owner);
}

/* --- operations ------------------------------------------------------------------------------- */

static int attempt(void *mutex)
{
    return pthread_mutex_trylock(mutex);
}

int mutex_trylock(struct hub *hub, pthread_mutex_t *mutex)
{
    struct owner *owner;

    if (!has_owner(mutex))
        return pthread_mutex_trylock(mutex);
    owner = find_owner(hub, mutex);
    if (owner == NULL)
        return take(hub, mutex, pthread_mutex_trylock(mutex));
    return owner_is_self(hub, owner) ? take_again(owner, mutex) : EBUSY;
}

static int attempt_owned(void *mutex)
{
    struct hub *hub = hub_current();
    struct owner *owner = find_owner(hub, mutex);

    if (owner != NULL && is_error_checking(mutex) && owner_is_self(hub, owner))
        return EDEADLK;
    return mutex_trylock(hub, mutex);
}

static int lock_for_real(pthread_mutex_t *mutex, struct until until)
{
    return until.time == NULL ? pthread_mutex_lock(mutex)
                              : pthread_mutex_clocklock(mutex, until.clock, until.time);
}

/* The hub's own loop cannot be suspended. What another flow of the thread owns it would never get,
 * or, worse, get. */
static int lock_in_loop(struct hub *hub, pthread_mutex_t *mutex, struct until until)
{
    if (!has_owner(mutex))
        return lock_for_real(mutex, until);
    if (find_owner(hub, mutex) != NULL)
        return EDEADLK;
    return take(hub, mutex, lock_for_real(mutex, until));
}

int mutex_lock(struct hub *hub, const char *name, pthread_mutex_t *mutex, struct until until,
               int *deferred)
{
    const struct lot_call call = {
        .name = name,
        .object = mutex,
        .attempt = has_owner(mutex) ? attempt_owned : attempt,
        .until = until,
        .impatient = is_held(hub, mutex),
        .deferred = deferred,
    };
    int result = lot_await(hub, &call);

    return result == LOT_REFUSED ? lock_in_loop(hub, mutex, until) : result;
}

int mutex_unlock(struct hub *hub, pthread_mutex_t *mutex)
{
    struct owner *owner = has_owner(mutex) ? find_owner(hub, mutex) : NULL;
    bool last = true;
    int result;

    if (owner != NULL) {
        if (!owner_is_self(hub, owner))
            return EPERM;
        last = --owner->depth == 0;
        if (last)
            owner_remove(hub, owner);
    }
    result = pthread_mutex_unlock(mutex);
    if (result == 0 && last)
        lot_released(mutex);
    return result;
}

/* --- hooks ------------------------------------------------------------------------------------ */

int greenify_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return pthread_mutex_lock(mutex);
    return mutex_lock(hub, "pthread_mutex_lock", mutex, UNTIL_EVER, NULL);
}

int greenify_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    struct hub *hub = hub_current();

    return hub == NULL ? pthread_mutex_trylock(mutex) : mutex_trylock(hub, mutex);
}

int greenify_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *time)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return pthread_mutex_timedlock(mutex, time);
    return mutex_lock(hub, "pthread_mutex_timedlock", mutex, (struct until){CLOCK_REALTIME, time},
                      NULL);
}

int greenify_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                     const struct timespec *time)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC))
        return pthread_mutex_clocklock(mutex, clock, time);
    return mutex_lock(hub, "pthread_mutex_clocklock", mutex, (struct until){clock, time}, NULL);
}

int greenify_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    struct hub *hub = hub_current();
    int result;

    if (hub != NULL)
        return mutex_unlock(hub, mutex);
    result = pthread_mutex_unlock(mutex);
    if (result == 0)
        lot_released(mutex);
    return result;
}

/* A flow that spins keeps the holder from running where both are of one thread. */
static int attempt_spin(void *lock)
{
    return pthread_spin_trylock(lock);
}

int greenify_pthread_spin_lock(pthread_spinlock_t *lock)
{
    struct hub *hub = hub_current();
    const struct lot_call call = {
        .name = "pthread_spin_lock",
        .object = (void *)lock,
        .attempt = attempt_spin,
        .plain_release = true,
    };
    int result = LOT_REFUSED;

    if (hub != NULL)
        result = lot_await(hub, &call);
    return result == LOT_REFUSED ? pthread_spin_lock(lock) : result;
}

int greenify_pthread_spin_unlock(pthread_spinlock_t *lock)
{
    int result = pthread_spin_unlock(lock);

    lot_released((const void *)lock);
    return result;
}

/* SPDX-License-Identifier: MIT
 *
 * Hooks of what ends threads from within and from without, and of cleanup handlers.
 */
#include "cancel.h"
#include "coroutine.h"
#include "hook_inside.h"
#include "request.h"
#include "scheduler.h"
#include "thread.h"
#include "unwind.h"

/* The running coroutine; NULL: libc's thread is meant. */
static struct green *running(void)
{
    struct hub *hub = hub_current();

    return hub != NULL ? scheduler_coroutine(hub->scheduler) : NULL;
}

void greenify_pthread_exit(void *result)
{
    struct green *self = running();

    if (self == NULL)
        pthread_exit(result);
    unwind(self, result);
}

/* --- requests --------------------------------------------------------------------------------- */

int greenify_pthread_cancel(pthread_t handle)
{
    struct thread *thread = thread_take(&handle);
    struct hub *hub = hub_current();

    if (thread == NULL)
        return pthread_cancel(handle);
    request_cancel(hub, thread);
    thread_drop(thread);
    cancel_at_once(hub); /* it may have been the caller */
    return 0;
}

void greenify_pthread_testcancel(void)
{
    struct green *self = running();

    if (self == NULL)
        pthread_testcancel();
    else
        cancel_at_entry(self->scheduler->hub);
}

int greenify_pthread_setcancelstate(int state, int *before)
{
    struct green *self = running();

    return self == NULL ? pthread_setcancelstate(state, before)
                        : cancel_set_state(self, state, before);
}

int greenify_pthread_setcanceltype(int type, int *before)
{
    struct green *self = running();

    return self == NULL ? pthread_setcanceltype(type, before) : cancel_set_type(self, type, before);
}

/* --- cleanup handlers ------------------------------------------------------------------------- */

void greenify___pthread_register_cancel(__pthread_unwind_buf_t *buffer)
{
    struct green *self = running();

    if (self == NULL)
        __pthread_register_cancel(buffer);
    else
        unwind_register(self, buffer);
}

void greenify___pthread_unregister_cancel(__pthread_unwind_buf_t *buffer)
{
    struct green *self = running();

    if (self == NULL)
        __pthread_unregister_cancel(buffer);
    else
        unwind_unregister(self, buffer);
}

void greenify___pthread_unwind_next(__pthread_unwind_buf_t *buffer)
{
    struct green *self = running();

    if (self == NULL)
        __pthread_unwind_next(buffer);
    unwind_next(self, buffer);
}

/* pthread_cleanup_push_defer_np() and its pop: the type is deferred in between. libc keeps the one
 * before in the same place. */
void greenify___pthread_register_cancel_defer(__pthread_unwind_buf_t *buffer)
{
    struct green *self = running();
    int before;

    if (self == NULL) {
        __pthread_register_cancel_defer(buffer);
        return;
    }
    unwind_register(self, buffer);
    (void)cancel_set_type(self, PTHREAD_CANCEL_DEFERRED, &before);
    buffer->__pad[2] = (void *)(intptr_t)before;
}

void greenify___pthread_unregister_cancel_restore(__pthread_unwind_buf_t *buffer)
{
    struct green *self = running();

    if (self == NULL) {
        __pthread_unregister_cancel_restore(buffer);
        return;
    }
    unwind_unregister(self, buffer);
    (void)cancel_set_type(self, (int)(intptr_t)buffer->__pad[2], NULL);
}

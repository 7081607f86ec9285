/* SPDX-License-Identifier: MIT
 *
 * In the coroutine's own thread at once; otherwise what is asked is left with the thread, and mail
 * tells its hub to look.
 */
#include "request.h"

#include "cancel.h"
#include "coroutine.h"
#include "hub.h"
#include "scheduler.h"
#include "thread.h"
#include "waiter.h"

#include <signal.h>
#include <stdint.h>

/* --- in its own thread ------------------------------------------------------------------------ */

/* signal(7): which calls a handler ends, by its flags. */
static bool ends(const struct waiter *w, int number)
{
    struct sigaction action;

    if (sigaction(number, NULL, &action) != 0 ||
        ((action.sa_flags & SA_SIGINFO) == 0 &&
         (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)))
        return false;
    return w->interruptible || (w->restartable && (action.sa_flags & SA_RESTART) == 0);
}

static void interrupt(const struct green *coroutine, int number)
{
    if (coroutine->waiting != NULL && ends(coroutine->waiting, number))
        waiter_wake(coroutine->waiting, WAKE_SIGNAL);
}

/* --- from others ------------------------------------------------------------------------------ */

static void look(struct thread *thread)
{
    uint64_t signals = atomic_exchange(&thread->signals, 0);
    bool cancel = atomic_exchange(&thread->cancel_wanted, false);

    if (thread->coroutine == NULL)
        return;
    for (int number = 1; signals != 0; number++, signals >>= 1)
        if ((signals & 1) != 0)
            interrupt(thread->coroutine, number);
    if (cancel)
        cancel_note(thread->coroutine);
}

static void deliver(struct mail *mail)
{
    struct thread *thread = list_entry(mail, struct thread, mail);

    atomic_store(&thread->mailed, false); /* from now on there is more to be told */
    look(thread);
    thread_drop(thread);
}

static void drop(struct mail *mail)
{
    thread_drop(list_entry(mail, struct thread, mail));
}

static void tell(struct thread *thread)
{
    if (atomic_exchange(&thread->mailed, true))
        return;
    thread->mail = (struct mail){.deliver = deliver, .drop = drop};
    mailbox_post(mailbox_reference(thread->mailbox), &thread_keep(thread)->mail);
}

static bool is_ours(const struct hub *hub, const struct thread *thread)
{
    return hub != NULL && thread_is_of(thread, hub);
}

void request_cancel(struct hub *hub, struct thread *thread)
{
    if (is_ours(hub, thread)) {
        cancel_note(thread->coroutine);
    } else {
        atomic_store(&thread->cancel_wanted, true);
        tell(thread);
    }
}

void request_interrupt(struct hub *hub, struct thread *thread, int number)
{
    if (number < 1 || number > 64)
        return;
    if (is_ours(hub, thread)) {
        interrupt(thread->coroutine, number);
    } else {
        atomic_fetch_or(&thread->signals, UINT64_C(1) << (number - 1));
        tell(thread);
    }
}

void request_interrupt_root(struct hub *hub, pthread_t handle, int number)
{
    if (hub != NULL && scheduler_coroutine(hub->scheduler) != NULL &&
        pthread_equal(handle, pthread_self()))
        interrupt(&hub->scheduler->root, number);
}

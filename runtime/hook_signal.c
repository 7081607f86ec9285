/* SPDX-License-Identifier: MIT
 *
 * Hooks of the waits for signals. Those for a handler end when one ran, as poll() of nothing does.
 * Those that take a signal look at the pending ones and suspend on a signalfd, which only tells:
 * the signal is taken by libc's own call.
 */
#include "descriptor.h"
#include "hook_inside.h"
#include "hub.h"
#include "pollset.h"
#include "thread/cancel.h"
#include "timespec.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>

static const struct timespec at_once = {0, 0};

/* --- for a handler ---------------------------------------------------------------------------- */

/* false: the caller has to make the call itself. Otherwise the call fails with errno. */
static bool await_handler(struct hub *hub, const char *call, const sigset_t *mask)
{
    CANCELLATION_POINT(hub);
    if (mask != NULL && ppoll(NULL, 0, &at_once, mask) != 0)
        return true; /* one was pending */
    switch (pollset_park(hub, call, NULL, 0, (double)INFINITY, mask)) {
    case WAKE_REFUSED:
        return false;
    case WAKE_SIGNAL:
        errno = EINTR;
        return true;
    default:
        return true;
    }
}

int greenify_pause(void)
{
    struct hub *hub = hub_current();

    return hub != NULL && await_handler(hub, "pause", NULL) ? -1 : pause();
}

int greenify_sigsuspend(const sigset_t *mask)
{
    struct hub *hub = hub_current();

    return hub != NULL && await_handler(hub, "sigsuspend", mask) ? -1 : sigsuspend(mask);
}

/* --- to take one ------------------------------------------------------------------------------ */

static enum wake await_pending(struct hub *hub, const char *call, const sigset_t *set,
                               double deadline, bool restarts)
{
    int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    struct waiter *w = fd >= 0 ? waiter_create(hub, call, 1) : NULL;
    enum wake cause = WAKE_FAILED;

    if (w != NULL) {
        descriptor_born(hub, fd);
        w->interruptible = !restarts;
        w->own_fd = fd;
        if (waiter_watch(w, fd, POLLIN) == 0)
            cause = waiter_park(w, deadline);
        waiter_destroy(w);
    }
    if (fd >= 0) {
        descriptor_gone(hub, fd);
        close(fd);
    }
    return cause;
}

static int take_for_real(const sigset_t *set, siginfo_t *info, double deadline, bool restarts)
{
    double left = deadline - hub_now();
    struct timespec rest = timespec_from(left > 0 ? left : 0);
    int number;

    do
        number = sigtimedwait(set, info, deadline < (double)INFINITY ? &rest : NULL);
    while (number == -1 && errno == EINTR && restarts);
    return number;
}

static int take_blocked(struct hub *hub, const char *call, const sigset_t *set, siginfo_t *info,
                        double deadline, bool restarts)
{
    int saved = errno;

    for (;;) {
        int number = sigtimedwait(set, info, &at_once);

        if (number != -1 || errno != EAGAIN || deadline <= 0) {
            if (number != -1)
                errno = saved;
            return number;
        }
        switch (await_pending(hub, call, set, deadline, restarts)) {
        case WAKE_FAILED:
            return -1;
        case WAKE_SIGNAL:
            errno = EINTR;
            return -1;
        case WAKE_REFUSED:
            return take_for_real(set, info, deadline, restarts);
        case WAKE_DEADLINE:
            deadline = 0; /* one more look */
            break;
        default:
            break;
        }
    }
}

/* Signals that the caller awaits without having blocked them go to it, too, as long as it waits. */
static int take(struct hub *hub, const char *call, const sigset_t *set, siginfo_t *info,
                double deadline, bool restarts)
{
    sigset_t before, added = *set;
    int number;

    CANCELLATION_POINT(hub);
    pthread_sigmask(SIG_BLOCK, set, &before);
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&before, i) == 1)
            sigdelset(&added, i);
    number = take_blocked(hub, call, set, info, deadline, restarts);
    if (!sigisemptyset(&added))
        pthread_sigmask(SIG_UNBLOCK, &added, NULL);
    return number;
}

int greenify_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    struct hub *hub = hub_current();
    double deadline = (double)INFINITY;

    if (hub == NULL ||
        (timeout != NULL && (!timespec_is_valid(timeout) || timespec_seconds(timeout) <= 0)))
        return sigtimedwait(set, info, timeout);
    if (timeout != NULL)
        deadline = hub_deadline(timespec_seconds(timeout));
    return take(hub, "sigtimedwait", set, info, deadline, false);
}

int greenify_sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return sigwaitinfo(set, info);
    return take(hub, "sigwaitinfo", set, info, (double)INFINITY, false);
}

int greenify_sigwait(const sigset_t *set, int *number)
{
    struct hub *hub = hub_current();
    int saved = errno, taken, error;

    if (hub == NULL)
        return sigwait(set, number);
    taken = take(hub, "sigwait", set, NULL, (double)INFINITY, true);
    error = errno;
    errno = saved; /* the error is what it returns */
    if (taken == -1)
        return error;
    *number = taken;
    return 0;
}

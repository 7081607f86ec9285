/* SPDX-License-Identifier: MIT
 *
 * Points that wait for events, for a time, for a signal, for a child; and those of green.h.
 */
#include "cancel.h"
#include "green.h"
#include "hook.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int s[2], set = -1;

static bool open_pair(void)
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0;
}

static void close_pair(void)
{
    close(s[0]);
    close(s[1]);
}

static void write_one(void)
{
    if (write(s[1], "x", 1) != 1)
        abort();
}

/* --- events ----------------------------------------------------------------------------------- */

static int call_poll(void)
{
    struct pollfd fd = {s[0], POLLIN, 0};

    return failure(greenify_poll(&fd, 1, -1));
}

/* In a set of its own. */
static int call_poll_urgent(void)
{
    struct pollfd fd = {s[0], POLLIN | POLLPRI, 0};

    return failure(greenify_poll(&fd, 1, 1000000));
}

static int call_poll_checked(void)
{
    struct pollfd fd = {s[0], POLLIN, 0};

    return failure(greenify___poll_chk(&fd, 1, -1, sizeof fd));
}

static int call_ppoll(void)
{
    struct pollfd fd = {s[0], POLLIN, 0};
    sigset_t none;

    sigemptyset(&none);
    return failure(greenify_ppoll(&fd, 1, NULL, &none));
}

static int call_ppoll_checked(void)
{
    struct pollfd fd = {s[0], POLLIN, 0};

    return failure(greenify___ppoll_chk(&fd, 1, NULL, NULL, sizeof fd));
}

static int call_select(void)
{
    fd_set reads;

    FD_ZERO(&reads);
    FD_SET(s[0], &reads);
    return failure(greenify_select(s[0] + 1, &reads, NULL, NULL, NULL));
}

static int call_pselect(void)
{
    fd_set reads;

    FD_ZERO(&reads);
    FD_SET(s[0], &reads);
    return failure(greenify_pselect(s[0] + 1, &reads, NULL, NULL, NULL, NULL));
}

static bool open_set(void)
{
    struct epoll_event event = {.events = EPOLLIN};

    set = epoll_create1(0);
    return open_pair() && epoll_ctl(set, EPOLL_CTL_ADD, s[0], &event) == 0;
}

static void close_set(void)
{
    close(set);
    close_pair();
}

static int call_epoll_wait(void)
{
    struct epoll_event event;

    return failure(greenify_epoll_wait(set, &event, 1, -1));
}

static int call_epoll_pwait(void)
{
    struct epoll_event event;

    return failure(greenify_epoll_pwait(set, &event, 1, -1, NULL));
}

static int call_epoll_pwait2(void)
{
    struct epoll_event event;

    return failure(greenify_epoll_pwait2(set, &event, 1, NULL, NULL));
}

static int call_wait_fd(void)
{
    return failure(green_wait_fd(s[0], POLLIN, -1));
}

/* --- time ------------------------------------------------------------------------------------- */

static double seconds;

static bool be_patient(void)
{
    seconds = 1000;
    return true;
}

/* For the next call: what waits already goes on. */
static void be_impatient(void)
{
    seconds = 0.001;
}

static struct timespec duration(void)
{
    struct timespec time = {(time_t)seconds, seconds < 1 ? 1000000 : 0};

    be_impatient();
    return time;
}

/* The seconds that are left of 1000 are not 0. */
static int call_sleep(void)
{
    unsigned length = seconds > 1 ? 1000 : 1, left;

    be_impatient();
    errno = 0;
    left = greenify_sleep(length);
    return left == 0 ? 0 : errno;
}

static int call_usleep(void)
{
    useconds_t length = seconds > 1 ? 900000000 : 1000;

    be_impatient();
    return failure(greenify_usleep(length));
}

static int call_nanosleep(void)
{
    struct timespec time = duration();

    return failure(greenify_nanosleep(&time, NULL));
}

static int call_clock_nanosleep(void)
{
    struct timespec time = duration();

    return greenify_clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static int call_thrd_sleep(void)
{
    struct timespec time = duration();

    return greenify_thrd_sleep(&time, NULL) == -2 ? killed_with : 0;
}

static int call_green_sleep(void)
{
    double length = seconds;

    be_impatient();
    return failure(green_sleep(length));
}

/* --- signals ---------------------------------------------------------------------------------- */

static sigset_t before;

static void ignore(int number)
{
    (void)number;
}

static bool handle_signal(void)
{
    struct sigaction action = {.sa_handler = ignore};

    return sigaction(SIGUSR1, &action, NULL) == 0;
}

static void forget_signal(void)
{
    signal(SIGUSR1, SIG_DFL);
}

/* While the loop waits: a signal before that would be lost, as in libc. So there are more. */
static atomic_bool raised_enough;

static void *raise_later(void *thread)
{
    while (!raised_enough) {
        usleep(20000);
        pthread_kill((pthread_t)thread, SIGUSR1);
    }
    return NULL;
}

static pthread_t raiser;

static void raise_soon(void)
{
    raised_enough = false;
    if (pthread_create(&raiser, NULL, raise_later, (void *)pthread_self()) != 0)
        abort();
}

static void forget_raised(void)
{
    raised_enough = true;
    if (raiser != 0)
        pthread_join(raiser, NULL);
    raiser = 0;
    forget_signal();
}

static int call_pause(void)
{
    return failure(greenify_pause());
}

static int call_sigsuspend(void)
{
    sigset_t none;

    sigemptyset(&none);
    return failure(greenify_sigsuspend(&none));
}

static sigset_t one_signal(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR2);
    return signals;
}

static bool block_signal(void)
{
    sigset_t signals = one_signal();

    return pthread_sigmask(SIG_BLOCK, &signals, &before) == 0;
}

static void unblock_signal(void)
{
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void send_signal(void)
{
    pthread_kill(pthread_self(), SIGUSR2);
}

static int call_sigwait(void)
{
    sigset_t signals = one_signal();
    int number;

    return greenify_sigwait(&signals, &number);
}

static int call_sigwaitinfo(void)
{
    sigset_t signals = one_signal();

    return failure(greenify_sigwaitinfo(&signals, NULL));
}

static int call_sigtimedwait(void)
{
    struct timespec long_time = {1000, 0};
    sigset_t signals = one_signal();

    return failure(greenify_sigtimedwait(&signals, NULL, &long_time));
}

/* --- children --------------------------------------------------------------------------------- */

static pid_t child;
static bool child_is_long;

static bool start_child(void)
{
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    return child > 0;
}

static void end_child(void)
{
    kill(child, SIGKILL);
}

static void forget_child(void)
{
    kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

static int call_wait(void)
{
    return failure(greenify_wait(NULL));
}

static int call_wait3(void)
{
    return failure(greenify_wait3(NULL, 0, NULL));
}

static int call_wait4(void)
{
    return failure(greenify_wait4(child, NULL, 0, NULL));
}

static int call_waitpid(void)
{
    return failure(greenify_waitpid(child, NULL, 0));
}

static int call_waitpid_stops(void)
{
    return failure(greenify_waitpid(child, NULL, WUNTRACED));
}

static int call_waitid(void)
{
    siginfo_t info;

    return failure(greenify_waitid(P_PID, (id_t)child, &info, WEXITED));
}

static bool begin_commands(void)
{
    child_is_long = true;
    return true;
}

static const char *command(void)
{
    const char *text = child_is_long ? "exec sleep 1000" : ":";

    child_is_long = false;
    return text;
}

/* The command goes with the wait. */
static int call_system(void)
{
    return failure(greenify_system(command()));
}

/* Its stream is gone with the call, whatever that gave; the worker that waits on closes it when the
 * command ends, by our hand. */
static int call_pclose(void)
{
    FILE *stream = popen(child_is_long ? "echo $$; exec sleep 1000" : "echo 0", "r");
    int result;

    child_is_long = false;
    if (stream == NULL || fscanf(stream, "%d", &child) != 1)
        abort();
    result = greenify_pclose(stream);
    if (result == -1 && child > 0) {
        int error = errno;

        kill(child, SIGKILL);
        errno = error;
    }
    return failure(result);
}

static void await_workers(void)
{
    usleep(20000);
}

/* --- coroutines ------------------------------------------------------------------------------- */

const struct point points_wait[] = {
    POINT_OF(NULL, "green_sleep", be_patient, call_green_sleep, NULL, NULL, ),
    POINT_OF(NULL, "green_wait_fd", open_pair, call_wait_fd, write_one, close_pair, ),
    POINT(poll, open_pair, call_poll, write_one, close_pair),
    POINT(poll, open_pair, call_poll_urgent, write_one, close_pair),
    POINT(__poll_chk, open_pair, call_poll_checked, write_one, close_pair),
    POINT(ppoll, open_pair, call_ppoll, write_one, close_pair),
    POINT(__ppoll_chk, open_pair, call_ppoll_checked, write_one, close_pair),
    POINT(select, open_pair, call_select, write_one, close_pair),
    POINT(pselect, open_pair, call_pselect, write_one, close_pair),
    POINT(epoll_wait, open_set, call_epoll_wait, write_one, close_set),
    POINT(epoll_pwait, open_set, call_epoll_pwait, write_one, close_set),
    POINT(epoll_pwait2, open_set, call_epoll_pwait2, write_one, close_set),
    POINT(sleep, be_patient, call_sleep, NULL, NULL),
    POINT(usleep, be_patient, call_usleep, NULL, NULL),
    POINT(nanosleep, be_patient, call_nanosleep, NULL, NULL),
    POINT(clock_nanosleep, be_patient, call_clock_nanosleep, NULL, NULL),
    POINT(thrd_sleep, be_patient, call_thrd_sleep, NULL, NULL),
    POINT(pause, handle_signal, call_pause, raise_soon, forget_raised, .success = EINTR,
          .by_handler = true),
    POINT(sigsuspend, handle_signal, call_sigsuspend, raise_soon, forget_raised, .success = EINTR,
          .by_handler = true),
    POINT(sigwait, block_signal, call_sigwait, send_signal, unblock_signal),
    POINT(sigwaitinfo, block_signal, call_sigwaitinfo, send_signal, unblock_signal),
    POINT(sigtimedwait, block_signal, call_sigtimedwait, send_signal, unblock_signal),
    POINT(wait, start_child, call_wait, end_child, NULL),
    POINT(wait3, start_child, call_wait3, end_child, NULL),
    POINT(wait4, start_child, call_wait4, end_child, NULL),
    POINT(waitpid, start_child, call_waitpid, end_child, NULL),
    POINT(waitpid, start_child, call_waitpid_stops, end_child, NULL),
    POINT(waitid, start_child, call_waitid, end_child, forget_child),
    POINT(system, begin_commands, call_system, NULL, NULL),
    POINT(pclose, begin_commands, call_pclose, NULL, await_workers),
};
const size_t points_wait_count = COUNT_OF(points_wait);

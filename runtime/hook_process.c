/* SPDX-License-Identifier: MIT
 *
 * Hooks of the calls that wait for children. One child is waited for by its pidfd; any child of
 * several by a worker that waits without collecting it (WNOWAIT); the call itself collects, with
 * WNOHANG, so that what it returns is the kernel's answer to the caller's own question.
 */
#include "descriptor.h"
#include "hook_inside.h"
#include "hub.h"
#include "offload.h"
#include "pause.h"
#include "pointer.h"
#include "thread/cancel.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

/* --- waiting for a change --------------------------------------------------------------------- */

/* Which children, in the terms of waitid(2). */
struct children {
    idtype_t type;
    id_t id;
    int options; /* WEXITED, WSTOPPED, WCONTINUED and the flags of Linux */
};

enum outcome { CHANGED, FAILED, BLOCKS };

static enum outcome conclude(enum wake cause)
{
    if (cause == WAKE_SIGNAL)
        errno = EINTR;
    if (cause == WAKE_REFUSED)
        return BLOCKS;
    return cause == WAKE_SIGNAL || cause == WAKE_FAILED ? FAILED : CHANGED;
}

static enum outcome await_pidfd(struct hub *hub, const char *call, int pidfd)
{
    struct waiter *w = waiter_create(hub, call, 1);
    enum wake cause = WAKE_FAILED;

    if (w == NULL)
        return FAILED;
    w->restartable = true;
    w->own_fd = pidfd;
    if (waiter_watch(w, pidfd, POLLIN) == 0)
        cause = waiter_park(w, (double)INFINITY);
    waiter_destroy(w);
    return conclude(cause);
}

static long await_on_worker(const long *words)
{
    siginfo_t info;

    return waitid((idtype_t)words[0], (id_t)words[1], &info, (int)words[2] | WNOWAIT);
}

/* Where a worker cannot tell, because its answer is not the caller's (__WNOTHREAD). */
static enum outcome pause_before_look(struct hub *hub, const char *call)
{
    static const enum outcome outcomes[] = {
        [PAUSE_OVER] = CHANGED, [PAUSE_FAILED] = FAILED, [PAUSE_BLOCKS] = BLOCKS};
    double seconds = 0.005;

    return outcomes[pause_between_tries(hub, call, &seconds)];
}

static enum outcome await_any(struct hub *hub, const char *call, const struct children *children)
{
    const long words[OFFLOAD_WORDS] = {(long)children->type, (long)children->id, children->options};
    bool blocks;

    if (offload_call(hub, call, await_on_worker, words, JOB_STOPPABLE, &blocks) == 0)
        return CHANGED;
    if (blocks)
        return BLOCKS;
    return errno == ECHILD || errno == EINVAL ? pause_before_look(hub, call) : FAILED;
}

/* A pidfd tells of the end only, not of stops. */
static enum outcome await_change(struct hub *hub, const char *call, const struct children *children)
{
    bool ends_only = (children->options & (WSTOPPED | WCONTINUED)) == 0;
    enum outcome outcome;
    int pidfd;

    if (children->type != P_PID || !ends_only)
        return await_any(hub, call, children);
    pidfd = pidfd_open((pid_t)children->id, 0);
    if (pidfd < 0)
        return await_any(hub, call, children);
    outcome = await_pidfd(hub, call, pidfd);
    descriptor_gone(hub, pidfd);
    close(pidfd);
    return outcome;
}

/* --- waitpid and its forms -------------------------------------------------------------------- */

static struct children children_of(pid_t pid, int options)
{
    int kept = options & (WCONTINUED | (int)__WNOTHREAD | (int)__WALL | (int)__WCLONE);
    struct children children = {P_ALL, 0, WEXITED | kept};

    if ((options & WUNTRACED) != 0)
        children.options |= WSTOPPED;
    if (pid > 0) {
        children.type = P_PID;
        children.id = (id_t)pid;
    } else if (pid != -1) {
        children.type = P_PGID;
        children.id = pid == 0 ? (id_t)getpgrp() : (id_t)-pid;
    }
    return children;
}

static int ends_with(int error)
{
    errno = error;
    return -1;
}

static pid_t wait_for_child(struct hub *hub, const char *call, pid_t pid, int *status, int options,
                            struct rusage *usage)
{
    struct children children = children_of(pid, options);
    bool interrupted = false;
    int saved = errno;

    for (;;) {
        pid_t child = wait4(pid, status, options | WNOHANG, usage);

        if (child != 0) {
            if (child > 0)
                errno = saved;
            return child;
        }
        if (interrupted)
            return ends_with(EINTR);
        switch (await_change(hub, call, &children)) {
        case FAILED:
            if (errno != EINTR)
                return -1;
            interrupted = true; /* perhaps by the signal that tells of the child */
            break;
        case BLOCKS:
            return wait4(pid, status, options, usage);
        default:
            break;
        }
    }
}

pid_t greenify_wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (options & WNOHANG) != 0)
        return wait4(pid, status, options, usage);
    CANCELLATION_POINT(hub);
    return wait_for_child(hub, "wait4", pid, status, options, usage);
}

pid_t greenify_waitpid(pid_t pid, int *status, int options)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (options & WNOHANG) != 0)
        return waitpid(pid, status, options);
    CANCELLATION_POINT(hub);
    return wait_for_child(hub, "waitpid", pid, status, options, NULL);
}

pid_t greenify_wait(int *status)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return wait(status);
    CANCELLATION_POINT(hub);
    return wait_for_child(hub, "wait", -1, status, 0, NULL);
}

pid_t greenify_wait3(int *status, int options, struct rusage *usage)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (options & WNOHANG) != 0)
        return wait3(status, options, usage);
    CANCELLATION_POINT(hub);
    return wait_for_child(hub, "wait3", -1, status, options, usage);
}

int greenify_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    struct hub *hub = hub_current();
    struct children children = {type, id, options & ~WNOWAIT};
    bool interrupted = false;
    siginfo_t found;
    int saved = errno;

    if (hub == NULL || (options & WNOHANG) != 0)
        return waitid(type, id, info, options);
    CANCELLATION_POINT(hub);
    for (;;) {
        found.si_pid = 0;
        if (waitid(type, id, &found, options | WNOHANG) != 0)
            return -1;
        if (found.si_pid != 0) {
            if (info != NULL && pointer_is_wild(info))
                return ends_with(EFAULT);
            if (info != NULL)
                *info = found;
            errno = saved;
            return 0;
        }
        if (interrupted)
            return ends_with(EINTR);
        switch (await_change(hub, "waitid", &children)) {
        case FAILED:
            if (errno != EINTR)
                return -1;
            interrupted = true;
            break;
        case BLOCKS:
            return waitid(type, id, info, options);
        default:
            break;
        }
    }
}

/* --- whole commands --------------------------------------------------------------------------- */

/* system() ignores SIGINT and SIGQUIT while a command runs (POSIX); the first that begins and the
 * last that ends see to it, as the dispositions belong to the process. */
static struct {
    pthread_mutex_t lock;
    unsigned running;
    struct sigaction interrupt, quit;
} commands = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void ignore_keys(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    pthread_mutex_lock(&commands.lock);
    if (commands.running++ == 0) {
        sigaction(SIGINT, &ignore, &commands.interrupt);
        sigaction(SIGQUIT, &ignore, &commands.quit);
    }
    pthread_mutex_unlock(&commands.lock);
}

static void heed_keys(void)
{
    pthread_mutex_lock(&commands.lock);
    if (--commands.running == 0) {
        sigaction(SIGINT, &commands.interrupt, NULL);
        sigaction(SIGQUIT, &commands.quit, NULL);
    }
    pthread_mutex_unlock(&commands.lock);
}

/* The command has the signals that the program had. */
static int spawn_shell(const char *command, pid_t *child)
{
    char *const arguments[] = {(char *)"sh", (char *)"-c", (char *)"--", (char *)command, NULL};
    posix_spawnattr_t attributes;
    sigset_t mask, defaults;
    int error;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    sigemptyset(&defaults);
    if (commands.interrupt.sa_handler != SIG_IGN)
        sigaddset(&defaults, SIGINT);
    if (commands.quit.sa_handler != SIG_IGN)
        sigaddset(&defaults, SIGQUIT);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &mask);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    error = posix_spawn(child, "/bin/sh", NULL, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* A wait that was ended takes the command with it, as the cancellation of system() does. */
static int run_shell(struct hub *hub, const char *command)
{
    int status, error;
    pid_t child;

    if (spawn_shell(command, &child) != 0)
        return W_EXITCODE(127, 0); /* as a shell that could not run */
    while (wait_for_child(hub, "system", child, &status, 0, NULL) == -1) {
        if (errno == EINTR)
            continue;
        error = errno;
        if (error != ECHILD) {
            kill(child, SIGKILL);
            (void)waitpid(child, NULL, 0);
        }
        errno = error;
        return -1;
    }
    return status;
}

int greenify_system(const char *command)
{
    struct hub *hub = hub_current();
    int saved = errno, status;

    if (hub == NULL || command == NULL)
        return system(command);
    CANCELLATION_POINT(hub);
    ignore_keys();
    status = run_shell(hub, command);
    heed_keys();
    if (status != -1)
        errno = saved;
    return status;
}

static long close_command(const long *words)
{
    return pclose((FILE *)words[0]);
}

int greenify_pclose(FILE *stream)
{
    struct hub *hub = hub_current();
    const long words[OFFLOAD_WORDS] = {(long)stream};
    bool blocks;
    int result;

    if (hub == NULL)
        return pclose(stream);
    CANCELLATION_POINT(hub);
    result = (int)offload_call(hub, "pclose", close_command, words, JOB_LONG, &blocks);
    return blocks ? pclose(stream) : result;
}

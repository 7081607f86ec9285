/* SPDX-License-Identifier: MIT
 *
 * Forks at any moment: from coroutines, from the loop, from a thread without a hub, while others
 * are parked at descriptors, locks and timers, run jobs on workers, and another hub goes on with
 * the same locks. Each child makes a hub of its own, uses every kind of wait, and says how many of
 * its checks it passed; the parent's traffic is checked to the last byte.
 */
#include "green.h"
#include "hook.h"
#include "stress.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PAIRS = 6, FORKERS = 4, LOCKERS = 3, CHILD_SECONDS = 60 };
enum { ALL_CHECKS = 42, WATCH_SECONDS = 60 };

static atomic_long left, forked, from_loop, from_thread;
static atomic_bool stop;
static atomic_int lockers = 2 * LOCKERS; /* that have not ended */
static pthread_mutex_t shared = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long turns;
static long bytes;

/* --- the child -------------------------------------------------------------------------------- */

struct child {
    int pair[2];
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int echoed;
    bool signalled;
};

static void *child_echo(void *argument)
{
    struct child *child = argument;
    char byte;

    while (greenify_recv(child->pair[1], &byte, 1, 0) == 1)
        if (greenify_send(child->pair[1], &byte, 1, MSG_NOSIGNAL) == 1)
            child->echoed++;
    return NULL;
}

static void *child_signal(void *argument)
{
    struct child *child = argument;

    green_sleep(0.0005);
    greenify_pthread_mutex_lock(&child->mutex);
    child->signalled = true;
    greenify_pthread_cond_signal(&child->cond);
    greenify_pthread_mutex_unlock(&child->mutex);
    return NULL;
}

static bool exchanges(struct child *child)
{
    char byte;

    for (char sent = 'a'; sent < 'k'; sent++)
        if (greenify_send(child->pair[0], &sent, 1, MSG_NOSIGNAL) != 1 ||
            greenify_recv(child->pair[0], &byte, 1, 0) != 1 || byte != sent)
            return false;
    return greenify_shutdown(child->pair[0], SHUT_WR) == 0;
}

static bool is_signalled(struct child *child)
{
    int error = 0;

    greenify_pthread_mutex_lock(&child->mutex);
    while (!child->signalled && error == 0)
        error = greenify_pthread_cond_wait(&child->cond, &child->mutex);
    greenify_pthread_mutex_unlock(&child->mutex);
    return error == 0;
}

/* A worker thread of the child's own. */
static bool resolves(void)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;

    if (greenify_getaddrinfo("127.0.0.1", "80", &hints, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

/* How many of its checks a child passed: ALL_CHECKS, or which came last. */
static int check_child(void)
{
    struct child child = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct green_hub_stats stats;
    green_t *echo, *signaller;

    if (green_current() != NULL || green_hub_stats(&stats) == 0)
        return 1; /* the parent's hub is not the child's */
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, child.pair) != 0)
        return 2;
    echo = green_spawn(child_echo, &child);
    signaller = green_spawn(child_signal, &child);
    if (echo == NULL || signaller == NULL)
        return 3;
    if (!exchanges(&child) || !is_signalled(&child))
        return 4;
    if (green_join(echo, NULL, -1) != 0 || green_join(signaller, NULL, -1) != 0)
        return 5;
    if (child.echoed != 10 || green_hub_stats(&stats) != 0 || stats.coroutines != 1)
        return 6;
    return resolves() ? ALL_CHECKS : 7;
}

/* Never returns in the child. */
static pid_t fork_child(void)
{
    pid_t child = fork();

    if (child < 0)
        stress_fail("fork");
    if (child != 0) {
        atomic_fetch_add(&forked, 1);
        return child;
    }
    alarm(CHILD_SECONDS);
    _exit(check_child());
}

static void collect(pid_t child, pid_t (*wait_for)(pid_t, int *, int))
{
    int status = -1;

    if (wait_for(child, &status, 0) != child)
        stress_fail("waitpid");
    if (WIFSIGNALED(status))
        stress_fail("a child died of signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != ALL_CHECKS)
        stress_fail("a child failed at %d", WEXITSTATUS(status));
    atomic_fetch_add(&stress_progress, 1);
}

/* --- the parent: who forks -------------------------------------------------------------------- */

static void pass_time(uint64_t *dice)
{
    uint64_t how = stress_dice(dice, 3);

    if (how == 0)
        green_sleep((double)stress_dice(dice, 1000) * 1e-6);
    for (uint64_t i = how == 1 ? stress_dice(dice, 8) : 0; i > 0; i--)
        green_yield();
}

/* From the hub's own loop: a callback forks, and a coroutine waits for what it forked. */
struct callback {
    ev_timer timer;
    pid_t child;
};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct callback *callback = timer->data;

    (void)loop;
    (void)revents;
    callback->child = fork_child();
    atomic_fetch_add(&from_loop, 1);
}

static pid_t fork_in_loop(void)
{
    struct callback callback = {.child = 0};

    ev_timer_init(&callback.timer, on_timer, 0.0001, 0.);
    callback.timer.data = &callback;
    ev_timer_start(green_loop(), &callback.timer);
    while (callback.child == 0)
        green_sleep(0.0002);
    return callback.child;
}

static void *run_forker(void *number)
{
    uint64_t dice = stress_dice_of((uint64_t)(uintptr_t)number);

    while (atomic_fetch_sub(&left, 1) > 0) {
        pass_time(&dice);
        collect(stress_dice(&dice, 8) == 0 ? fork_in_loop() : fork_child(), greenify_waitpid);
    }
    return NULL;
}

/* A thread without a hub. */
static void *run_thread(void *number)
{
    uint64_t dice = stress_dice_of((uint64_t)(uintptr_t)number);

    while (atomic_fetch_sub(&left, 1) > 0) {
        collect(fork_child(), waitpid);
        atomic_fetch_add(&from_thread, 1);
        usleep((useconds_t)stress_dice(&dice, 1000));
    }
    return NULL;
}

/* --- the parent: who goes on ------------------------------------------------------------------ */

struct pair {
    int fds[2];
    long sent;
};

static void *run_sender(void *argument)
{
    struct pair *pair = argument;

    while (!atomic_load(&stop)) {
        unsigned char byte = (unsigned char)pair->sent++;

        if (greenify_send(pair->fds[0], &byte, 1, MSG_NOSIGNAL) != 1)
            stress_fail("send");
        if (pair->sent % 16 == 0)
            green_sleep(0.0003);
    }
    if (greenify_shutdown(pair->fds[0], SHUT_WR) != 0)
        stress_fail("shutdown");
    return NULL;
}

static void *run_receiver(void *argument)
{
    struct pair *pair = argument;
    unsigned char buffer[64];
    long got = 0;
    ssize_t size;

    while ((size = greenify_read(pair->fds[1], buffer, sizeof buffer)) > 0)
        for (ssize_t i = 0; i < size; i++)
            if (buffer[i] != (unsigned char)got++)
                stress_fail("byte %ld of the parent's traffic", got);
    if (size < 0 || got != pair->sent)
        stress_fail("%ld of %ld bytes", got, pair->sent);
    bytes += got;
    return NULL;
}

/* The same lock and condition variable for both hubs, so that forks find the parking lot at work.
 */
static void *run_locker(void *unused)
{
    while (!atomic_load(&stop)) {
        greenify_pthread_mutex_lock(&shared);
        turns++;
        greenify_pthread_cond_broadcast(&changed);
        if (turns % 8 != 0)
            (void)greenify_pthread_cond_wait(&changed, &shared);
        greenify_pthread_cond_broadcast(&changed);
        greenify_pthread_mutex_unlock(&shared);
        green_sleep(0.0005);
    }
    atomic_fetch_sub(&lockers, 1);
    return unused;
}

/* Lets the lockers out, whichever of them comes last. */
static void *run_waker(void *unused)
{
    while (atomic_load(&lockers) > 0) {
        greenify_pthread_cond_broadcast(&changed);
        green_sleep(0.001);
    }
    return unused;
}

static void *run_resolver(void *unused)
{
    while (!atomic_load(&stop))
        if (!resolves())
            stress_fail("getaddrinfo");
        else
            green_sleep(0.001);
    return unused;
}

enum { OTHERS = LOCKERS + 2 };

static void start_others(green_t *others[OTHERS])
{
    for (int i = 0; i < LOCKERS; i++)
        others[i] = green_spawn(run_locker, NULL);
    others[LOCKERS] = green_spawn(run_waker, NULL);
    others[LOCKERS + 1] = green_spawn(run_resolver, NULL);
}

static void join_all(green_t *const *flows, int count)
{
    for (int i = 0; i < count; i++)
        if (flows[i] == NULL || green_join(flows[i], NULL, -1) != 0)
            stress_fail("green_spawn or green_join");
}

static void *run_other_hub(void *unused)
{
    green_t *others[OTHERS];

    start_others(others);
    join_all(others, OTHERS);
    return unused;
}

static void run_hub(void)
{
    static struct pair pairs[PAIRS];
    green_t *forkers[FORKERS], *traffic[2 * PAIRS], *others[OTHERS];

    for (int i = 0; i < PAIRS; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i].fds) != 0)
            stress_fail("socketpair");
        traffic[2 * i] = green_spawn(run_sender, &pairs[i]);
        traffic[2 * i + 1] = green_spawn(run_receiver, &pairs[i]);
    }
    start_others(others);
    for (int i = 0; i < FORKERS; i++)
        forkers[i] = green_spawn(run_forker, (void *)(uintptr_t)i);
    join_all(forkers, FORKERS);
    atomic_store(&stop, true);
    join_all(traffic, 2 * PAIRS);
    join_all(others, OTHERS);
}

static void tell_stuck(void)
{
    fprintf(stderr, "%ld children were forked\n", atomic_load(&forked));
}

int main(int argc, char **argv)
{
    pthread_t thread, other;

    stress_begin(argc, argv, 10000, WATCH_SECONDS, tell_stuck);
    atomic_store(&left, stress_count);
    if (pthread_create(&thread, NULL, run_thread, (void *)(uintptr_t)FORKERS) != 0 ||
        pthread_create(&other, NULL, run_other_hub, NULL) != 0)
        stress_fail("pthread_create");
    run_hub();
    pthread_join(other, NULL);
    pthread_join(thread, NULL);
    if (atomic_load(&forked) != stress_count)
        stress_fail("%ld forks", atomic_load(&forked));
    stress_end("fork: %ld children, %ld of them from the loop and %ld from a thread without a hub; "
               "%ld bytes beside them, %ld turns with the lock",
               atomic_load(&forked), atomic_load(&from_loop), atomic_load(&from_thread), bytes,
               turns);
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * System calls that wait on a worker, and are ended with the wait of their caller: what has not
 * happened then does not happen later, no thread stays behind, and the program's signals are as it
 * left them.
 */
#include "green.h"
#include "hook.h"
#include "offload.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static int file = -1, gate[2], held[2];

static int set_lock(int command, short type, off_t start, off_t length)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};

    return command == F_SETLKW ? greenify_fcntl(file, F_SETLKW, &range)
                               : fcntl(file, command, &range);
}

/* A child that holds a lock on the first byte until the gate is closed. */
static pid_t start_holder(void)
{
    char name[] = "/tmp/greenify-stopped-XXXXXX", byte;
    pid_t child;

    file = mkstemp(name);
    unlink(name);
    ck_assert_int_eq(pipe(gate), 0);
    ck_assert_int_eq(pipe(held), 0);
    child = fork();
    if (child == 0) {
        close(gate[1]);
        if (set_lock(F_SETLK, F_WRLCK, 0, 1) != 0 || write(held[1], "h", 1) != 1)
            _exit(1);
        _exit(read(gate[0], &byte, 1) == 0 ? 0 : 2);
    }
    ck_assert_int_eq(read(held[0], &byte, 1), 1);
    return child;
}

static void stop_holder(pid_t child)
{
    int status = -1;

    close(gate[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

/* Whether another process sees a lock of ours there. */
static bool is_locked(off_t start)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        struct flock range = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};

        _exit(fcntl(file, F_GETLK, &range) == 0 && range.l_type != F_UNLCK &&
              range.l_pid == getppid());
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status) == 1;
}

static int threads(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    int count = -1;

    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "Threads: %d", &count) == 1)
            break;
    fclose(status);
    return count;
}

/* Whether every other thread of this process waits for work, and so has done what it had. */
static bool others_are_idle(void)
{
    DIR *tasks = opendir("/proc/self/task");
    bool idle = true;

    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        char name[64];
        FILE *file_of_task;
        long call = -1;

        if (task->d_name[0] == '.' || atoi(task->d_name) == gettid())
            continue;
        snprintf(name, sizeof name, "/proc/self/task/%.20s/syscall", task->d_name);
        file_of_task = fopen(name, "r");
        if (file_of_task == NULL) /* it has ended */
            continue;
        idle = idle && fscanf(file_of_task, "%ld", &call) == 1 && call == SYS_futex;
        fclose(file_of_task);
    }
    closedir(tasks);
    return idle;
}

/* 0, or errno. */
static void *lock_ten(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)(set_lock(F_SETLKW, F_WRLCK, 0, 10) == 0 ? 0 : errno);
}

static int outcome(green_t *g)
{
    void *result = NULL;

    ck_assert_int_eq(green_join(g, &result, 20), 0);
    return (int)(intptr_t)result;
}

/* --- kills ------------------------------------------------------------------------------------ */

START_TEST(a_killed_wait_takes_no_lock_away_later)
{
    pid_t child = start_holder();
    green_t *g = green_spawn(lock_ten, NULL);

    green_sleep(0.01);
    ck_assert_int_eq(green_kill(g, ECANCELED), 0);
    ck_assert_int_eq(outcome(g), ECANCELED);
    ck_assert_int_eq(set_lock(F_SETLK, F_WRLCK, 5, 5), 0);
    stop_holder(child);
    green_sleep(0.05); /* the range is free now: would the wait go on, it would have its lock */
    ck_assert(is_locked(5));
    ck_assert(!is_locked(0));
    ck_assert_int_eq(outcome(green_spawn(lock_ten, NULL)), 0);
    ck_assert(is_locked(0));
}
END_TEST

START_TEST(killed_waits_leave_no_threads_behind)
{
    enum { WAITS = 30 };
    pid_t child = start_holder();
    green_t *g[WAITS];

    for (int i = 0; i < WAITS; i++)
        g[i] = green_spawn(lock_ten, NULL);
    while (threads() <= WAITS) /* one for each */
        green_sleep(0.01);
    for (int i = 0; i < WAITS; i++)
        green_kill(g[i], ETIMEDOUT);
    for (int i = 0; i < WAITS; i++)
        ck_assert_int_eq(outcome(g[i]), ETIMEDOUT);
    for (int i = 0; i < 200; i++) {
        g[0] = green_spawn(lock_ten, NULL);
        if (i % 2 == 0)
            green_sleep(0.0002);
        green_yield();
        green_kill(g[0], ETIMEDOUT);
        ck_assert_int_eq(outcome(g[0]), ETIMEDOUT);
    }
    ck_assert_int_le(threads(), WAITS + 2);
    stop_holder(child);
}
END_TEST

/* Nothing tells which of the two is first: either the lock came, and the kill ends the next wait,
 * or it did not. */
static void *lock_and_wait(void *unused)
{
    int first = set_lock(F_SETLKW, F_WRLCK, 0, 10) == 0 ? 0 : errno, second;

    (void)unused;
    second = green_sleep(first == 0 ? 20 : 0.001) == 0 ? 0 : errno;
    return (void *)(intptr_t)(first == 0 ? second == ECANCELED && is_locked(0)
                                         : first == ECANCELED && second == 0 && !is_locked(0));
}

START_TEST(a_kill_that_is_too_late_counts_for_the_next_wait)
{
    for (int i = 0; i < 30; i++) {
        pid_t child = start_holder();
        green_t *g = green_spawn(lock_and_wait, NULL);

        green_sleep(0.002);
        close(gate[1]);
        usleep((useconds_t)(20 * i));
        green_kill(g, ECANCELED);
        ck_assert_int_eq(outcome(g), 1);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        close(file);
        close(gate[0]);
        close(held[0]);
        close(held[1]);
    }
}
END_TEST

/* --- signals ---------------------------------------------------------------------------------- */

static volatile int handled;

static void on_signal(int number)
{
    (void)number;
    handled++;
}

static void handle(int number, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

    ck_assert_int_eq(sigaction(number, &action, NULL), 0);
}

static void alarm_soon(void)
{
    struct itimerval soon = {{0, 20000}, {0, 7000}}; /* again: one may come while others run */

    setitimer(ITIMER_REAL, &soon, NULL);
}

static void no_alarm(void)
{
    struct itimerval never = {{0, 0}, {0, 0}};

    setitimer(ITIMER_REAL, &never, NULL);
}

/* libcheck's own have no SA_RESTART. */
static void without_others(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

static void check_signals(void *(*call)(void *), bool restarts)
{
    green_t *g;

    without_others();
    handle(SIGALRM, 0);
    g = green_spawn(call, NULL);
    green_yield();
    alarm_soon();
    ck_assert_int_eq(outcome(g), EINTR);
    no_alarm();
    handle(SIGALRM, SA_RESTART);
    handled = 0;
    g = green_spawn(call, NULL);
    green_yield();
    alarm_soon();
    if (restarts) {
        ck_assert_int_eq(green_join(g, NULL, 0.1), -1);
        ck_assert_int_gt(handled, 0);
        green_kill(g, ECANCELED);
    }
    ck_assert_int_eq(outcome(g), restarts ? ECANCELED : EINTR);
    no_alarm();
}

START_TEST(a_handler_ends_the_wait_for_a_record_lock)
{
    pid_t child = start_holder();

    check_signals(lock_ten, true);
    stop_holder(child);
    green_sleep(0.02);
    ck_assert(!is_locked(0));
}
END_TEST

static void *await_any_child(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)(greenify_waitpid(-1, NULL, 0) == -1 ? errno : 0);
}

START_TEST(a_handler_ends_the_wait_for_any_child)
{
    pid_t child = start_holder();
    green_t *g;

    check_signals(await_any_child, true);
    g = green_spawn(await_any_child, NULL);
    green_sleep(0.01);
    close(gate[1]);
    ck_assert_int_eq(outcome(g), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), -1);
}
END_TEST

static int semaphore;

static void *take_semaphore(void *unused)
{
    struct sembuf take = {0, -1, 0};

    (void)unused;
    return (void *)(intptr_t)(greenify_semop(semaphore, &take, 1) == -1 ? errno : 0);
}

START_TEST(every_handler_ends_the_wait_for_a_semaphore_of_processes)
{
    semaphore = semget(IPC_PRIVATE, 1, 0600);
    if (semaphore < 0)
        return; /* the system has none */
    check_signals(take_semaphore, false);
    ck_assert_int_eq(semctl(semaphore, 0, IPC_RMID), 0);
}
END_TEST

/* --- the signal that it takes ----------------------------------------------------------------- */

static int disposition_is_default(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

static void kill_some(void)
{
    for (int i = 0; i < 10; i++) {
        green_t *g = green_spawn(lock_ten, NULL);

        green_sleep(0.001);
        green_kill(g, ECANCELED);
        ck_assert_int_eq(outcome(g), ECANCELED);
    }
}

START_TEST(the_programs_signals_are_left_alone)
{
    pid_t child = start_holder();
    sigset_t pending;

    handled = 0;
    kill_some();
    for (int number = 1; number <= SIGRTMAX; number++)
        if (number == SIGURG || number == SIGWINCH || number >= SIGRTMIN)
            ck_assert(disposition_is_default(number));
    for (int number = SIGURG; number != 0; number = number == SIGURG ? SIGWINCH : 0) {
        handle(number, SA_RESTART);
        kill_some();
        raise(number);
    }
    ck_assert_int_eq(handled, 2);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        if (number != SIGRTMIN + 3)
            handle(number, SA_RESTART);
    kill_some();
    ck_assert_int_eq(handled, 2);
    ck_assert_int_eq(sigpending(&pending), 0);
    ck_assert_int_eq(sigismember(&pending, SIGRTMIN + 3), 0);
    ck_assert(disposition_is_default(SIGRTMIN + 3));
    stop_holder(child);
}
END_TEST

/* The wait ends all the same; the lock that comes later is given back. */
START_TEST(a_program_that_uses_all_signals_is_served_too)
{
    pid_t child = start_holder();
    green_t *g;

    handle(SIGURG, SA_RESTART);
    handle(SIGWINCH, SA_RESTART);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        handle(number, SA_RESTART);
    handled = 0;
    g = green_spawn(lock_ten, NULL);
    green_sleep(0.01);
    green_kill(g, ECANCELED);
    ck_assert_int_eq(outcome(g), ECANCELED);
    ck_assert_int_eq(handled, 0);
    stop_holder(child);
    while (!others_are_idle())
        green_sleep(0.01);
    green_sleep(0.001); /* the hub hears of it */
    ck_assert(!is_locked(0));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_killed_wait_takes_no_lock_away_later,
        killed_waits_leave_no_threads_behind,
        a_kill_that_is_too_late_counts_for_the_next_wait,
        a_handler_ends_the_wait_for_a_record_lock,
        a_handler_ends_the_wait_for_any_child,
        every_handler_ends_the_wait_for_a_semaphore_of_processes,
        the_programs_signals_are_left_alone,
        a_program_that_uses_all_signals_is_served_too,
    };

    return run_suite("stopped", tests, sizeof tests / sizeof tests[0]);
}

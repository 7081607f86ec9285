/* SPDX-License-Identifier: MIT
 *
 * Waiting for children and commands while other coroutines run.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { SHORT = 100000, LONG = 500000 }; /* microseconds that children live */

static pid_t child_that_exits(int status, useconds_t life)
{
    pid_t child = fork();

    if (child == 0) {
        usleep(life);
        _exit(status);
    }
    return child;
}

static pid_t child_that_stays(void)
{
    pid_t child = fork();

    if (child == 0) {
        alarm(100);
        for (;;)
            pause();
    }
    return child;
}

static void *wait_for_one(void *expected)
{
    pid_t child = child_that_exits((int)(intptr_t)expected, LONG);
    int status = 0;

    if (greenify_waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return NULL;
    return (void *)(intptr_t)WEXITSTATUS(status);
}

static void *run_command(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)WEXITSTATUS(greenify_system("sleep 0.5; exit 7"));
}

static void *close_command(void *unused)
{
    FILE *stream = popen("sleep 0.5; exit 7", "r");

    (void)unused;
    return stream == NULL ? NULL : (void *)(intptr_t)WEXITSTATUS(greenify_pclose(stream));
}

/* All at once take less than half of what they take one after another. */
START_TEST(children_and_commands_are_waited_for_at_once)
{
    enum { EACH = 8 };
    static void *(*const waits[])(void *) = {wait_for_one, run_command, close_command};
    green_t *g[3 * EACH];
    double begin = now();
    void *status;

    for (int i = 0; i < 3 * EACH; i++)
        g[i] = green_spawn(waits[i % 3], (void *)7);
    for (int i = 0; i < 3 * EACH; i++) {
        ck_assert_int_eq(green_join(g[i], &status, -1), 0);
        ck_assert_int_eq((int)(intptr_t)status, 7);
    }
    ck_assert_double_lt(now() - begin, 3 * EACH * LONG * 1e-6 / 2);
}
END_TEST

static void *wait_for_any(void *unused)
{
    int status;

    (void)unused;
    return (void *)(intptr_t)greenify_wait(&status);
}

START_TEST(two_that_wait_for_any_child_get_one_each)
{
    pid_t first = child_that_exits(1, SHORT), second = child_that_exits(2, SHORT);
    green_t *a = green_spawn(wait_for_any, NULL), *b = green_spawn(wait_for_any, NULL);
    void *got_a, *got_b;

    ck_assert_int_eq(green_join(a, &got_a, -1), 0);
    ck_assert_int_eq(green_join(b, &got_b, -1), 0);
    ck_assert_int_eq((int)((intptr_t)got_a + (intptr_t)got_b), first + second);
    ck_assert_ptr_ne(got_a, got_b);
    ck_assert_int_eq(greenify_wait(NULL), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(stops_are_seen)
{
    green_t *others = green_spawn(wait_for_one, (void *)3);
    pid_t child = fork();
    siginfo_t info;

    if (child == 0) {
        usleep(SHORT);
        raise(SIGSTOP);
        _exit(5);
    }
    ck_assert_int_eq(greenify_waitid(P_PID, (id_t)child, &info, WSTOPPED | WEXITED), 0);
    ck_assert_int_eq(info.si_code, CLD_STOPPED);
    kill(child, SIGCONT);
    ck_assert_int_eq(greenify_waitid(P_PID, (id_t)child, &info, WEXITED), 0);
    ck_assert_int_eq(info.si_status, 5);
    ck_assert_int_eq(green_join(others, NULL, -1), 0);
}
END_TEST

static void *run_killed(void *unused)
{
    (void)unused;
    errno = 0;
    return (void *)(intptr_t)(greenify_system("sleep 10") == -1 ? errno : 0);
}

START_TEST(a_killed_system_takes_its_command_with_it)
{
    green_t *g = green_spawn(run_killed, NULL);
    struct sigaction before, after;
    void *error;

    sigaction(SIGINT, NULL, &before);
    green_sleep(0.02);
    ck_assert_int_eq(green_kill(g, ECANCELED), 0);
    ck_assert_int_eq(green_join(g, &error, -1), 0);
    ck_assert_int_eq((int)(intptr_t)error, ECANCELED);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    sigaction(SIGINT, NULL, &after);
    ck_assert(before.sa_handler == after.sa_handler);
}
END_TEST

static void *wait_and_tell(void *child)
{
    errno = 0;
    return (void *)(intptr_t)(greenify_waitpid(*(pid_t *)child, NULL, 0) == -1 ? errno : 0);
}

START_TEST(a_wait_can_be_killed_and_the_child_is_left)
{
    pid_t child = child_that_stays();
    green_t *g = green_spawn(wait_and_tell, &child);
    void *error;
    int status;

    green_yield();
    ck_assert_int_eq(green_kill(g, ECANCELED), 0);
    ck_assert_int_eq(green_join(g, &error, -1), 0);
    ck_assert_int_eq((int)(intptr_t)error, ECANCELED);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}
END_TEST

static void *poll_for_urgent(void *fd)
{
    struct pollfd state = {.fd = *(int *)fd, .events = POLLIN | POLLPRI};

    return (void *)(intptr_t)greenify_poll(&state, 1, -1);
}

static int waits[2];
static pid_t waited_for;

/* A thread ends, and with it coroutines that wait. */
static void *leave_waiting(void *unused)
{
    ck_assert_int_eq(green_detach(green_spawn(poll_for_urgent, &waits[0])), 0);
    ck_assert_int_eq(green_detach(green_spawn(wait_and_tell, &waited_for)), 0);
    green_yield();
    return unused;
}

START_TEST(a_thread_that_ends_takes_the_descriptors_of_its_waits_along)
{
    pthread_t thread;
    int before;

    waited_for = child_that_stays();
    ck_assert_int_eq(pipe(waits), 0);
    before = open_descriptors();
    ck_assert_int_eq(pthread_create(&thread, NULL, leave_waiting, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(open_descriptors(), before);
    kill(waited_for, SIGKILL);
    ck_assert_int_eq(waitpid(waited_for, NULL, 0), waited_for);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        children_and_commands_are_waited_for_at_once,
        two_that_wait_for_any_child_get_one_each,
        stops_are_seen,
        a_killed_system_takes_its_command_with_it,
        a_wait_can_be_killed_and_the_child_is_left,
        a_thread_that_ends_takes_the_descriptors_of_its_waits_along,
    };

    return run_suite("process", tests, sizeof tests / sizeof tests[0]);
}

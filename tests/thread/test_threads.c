/* SPDX-License-Identifier: MIT
 *
 * That the threads are coroutines, and that every coroutine is a thread.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* The hub that the calling thread has from now on. */
static void make_hub(void)
{
    ck_assert_ptr_nonnull(green_loop());
}

static int tasks(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = -2; /* . and .. */

    ck_assert_ptr_nonnull(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static pthread_t begin(void *(*entry)(void *), void *argument)
{
    pthread_t thread;

    ck_assert_int_eq(greenify_pthread_create(&thread, NULL, entry, argument), 0);
    return thread;
}

static void *join(pthread_t thread)
{
    void *result = (void *)-77;

    ck_assert_int_eq(greenify_pthread_join(thread, &result), 0);
    return result;
}

/* --- where they run --------------------------------------------------------------------------- */

static int order[4], steps, others;

/* Two, and lets the others take one between them. */
static void *take_steps(void *number)
{
    order[steps++] = (int)(intptr_t)number;
    do
        greenify_usleep(1000);
    while (steps <= others);
    order[steps++] = (int)(intptr_t)number;
    return (void *)(intptr_t)gettid();
}

START_TEST(test_they_are_coroutines_of_the_calling_thread)
{
    pthread_t threads[2];

    make_hub();
    others = 1;
    threads[0] = begin(take_steps, (void *)1);
    threads[1] = begin(take_steps, (void *)2);
    ck_assert_int_eq(steps, 0); /* they begin when the caller waits */
    ck_assert_int_eq((int)(intptr_t)join(threads[0]), gettid());
    ck_assert_int_eq((int)(intptr_t)join(threads[1]), gettid());
    ck_assert_int_eq(order[0], 1);
    ck_assert_int_eq(order[1], 2);
    ck_assert_int_eq(tasks(), 1);
}
END_TEST

START_TEST(test_without_a_hub_they_are_libcs)
{
    pthread_t thread = begin(take_steps, (void *)1);

    ck_assert_int_ne((int)(intptr_t)join(thread), gettid());
}
END_TEST

enum { MANY = 10000 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_there = PTHREAD_COND_INITIALIZER;
static int there, most;

/* All of them wait for the last. */
static void *meet(void *unused)
{
    greenify_pthread_mutex_lock(&mutex);
    if (++there == MANY)
        greenify_pthread_cond_broadcast(&all_there);
    while (there < MANY)
        greenify_pthread_cond_wait(&all_there, &mutex);
    most = tasks() > most ? tasks() : most;
    greenify_pthread_mutex_unlock(&mutex);
    return unused;
}

START_TEST(test_ten_thousand_at_once)
{
    static pthread_t threads[MANY];
    pthread_attr_t attributes;

    make_hub();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (intptr_t i = 0; i < MANY; i++)
        ck_assert_int_eq(greenify_pthread_create(&threads[i], &attributes, meet, (void *)i), 0);
    pthread_attr_destroy(&attributes);
    for (intptr_t i = 0; i < MANY; i++)
        ck_assert_ptr_eq(join(threads[i]), (void *)i);
    ck_assert_int_eq(most, 1);
}
END_TEST

static bool done;

static void *finish(void *unused)
{
    done = true;
    return unused;
}

static void *ask_what_is_ready(void *fd)
{
    struct pollfd state = {.fd = (int)(intptr_t)fd, .events = POLLIN};

    while (!done && greenify_poll(&state, 1, 1000) == 1)
        continue;
    return NULL;
}

static void *ask_without_waiting(void *unused)
{
    while (!done && greenify_select(0, NULL, NULL, NULL, &(struct timeval){0, 0}) == 0)
        continue;
    return unused;
}

/* The calls of each are done at once. */
START_TEST(test_who_never_waits_lets_others_run)
{
    void *(*const entries[])(void *) = {ask_what_is_ready, ask_without_waiting};
    int fds[2];

    make_hub();
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        pthread_t asking, other;

        done = false;
        asking = begin(entries[i], (void *)(intptr_t)fds[0]);
        other = begin(finish, NULL);
        (void)join(asking);
        (void)join(other);
        ck_assert(done);
    }
}
END_TEST

/* --- coroutines that nobody made by pthread_create() ------------------------------------------ */

static void *tell_self(void *unused)
{
    pthread_t self = greenify_pthread_self();

    (void)unused;
    green_yield();
    ck_assert(pthread_equal(self, greenify_pthread_self()));
    ck_assert_int_eq(greenify_pthread_join(self, NULL), EINVAL); /* nobody can */
    ck_assert_int_eq(greenify_pthread_detach(self), EINVAL);
    ck_assert_int_eq(greenify_pthread_kill(self, 0), 0);
    return (void *)(uintptr_t)self;
}

START_TEST(test_each_coroutine_is_somebody)
{
    pthread_t self = pthread_self();
    green_t *a = green_spawn(tell_self, NULL), *b = green_spawn(tell_self, NULL);
    void *of_a, *of_b;

    ck_assert_int_eq(green_join(a, &of_a, -1), 0);
    ck_assert_int_eq(green_join(b, &of_b, -1), 0);
    ck_assert_ptr_ne(of_a, of_b);
    ck_assert_ptr_ne(of_a, (void *)(uintptr_t)self);
    ck_assert(pthread_equal(greenify_pthread_self(), self));
}
END_TEST

static void *leave(void *unused)
{
    greenify_pthread_exit((void *)12);
    return unused;
}

START_TEST(test_any_coroutine_may_leave)
{
    green_t *g = green_spawn(leave, NULL);
    void *result = NULL;

    ck_assert_int_eq(green_join(g, &result, -1), 0);
    ck_assert_ptr_eq(result, (void *)12);
}
END_TEST

/* --- handles ---------------------------------------------------------------------------------- */

static void *sleep_shortly(void *unused)
{
    greenify_usleep(20000);
    return unused;
}

/* Code that is not patched finds no such thread. */
START_TEST(test_libc_knows_nothing_of_them)
{
    pthread_attr_t attributes;
    struct sched_param parameters;
    pthread_t thread;
    cpu_set_t set;
    char name[16];
    int policy;

    make_hub();
    thread = begin(sleep_shortly, (void *)3);
    ck_assert_int_eq(pthread_join(thread, NULL), ESRCH);
    ck_assert_int_eq(pthread_detach(thread), ESRCH);
    ck_assert_int_ne(pthread_tryjoin_np(thread, NULL), 0);
    ck_assert_int_ne(pthread_kill(thread, SIGTERM), 0);
    (void)pthread_cancel(thread);
    ck_assert_int_ne(pthread_getname_np(thread, name, sizeof name), 0);
    ck_assert_int_ne(pthread_setname_np(thread, "name"), 0);
    ck_assert_int_eq(pthread_getschedparam(thread, &policy, &parameters), ESRCH);
    ck_assert_int_ne(pthread_getaffinity_np(thread, sizeof set, &set), 0);
    ck_assert_int_ne(pthread_getattr_np(thread, &attributes), 0);
    ck_assert_ptr_eq(join(thread), (void *)3);
}
END_TEST

static pthread_t joined;
static bool may_end;

static void *sleep_until_told(void *argument)
{
    while (!may_end)
        greenify_usleep(1000);
    return argument;
}

static void *join_it(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)greenify_pthread_join(joined, NULL);
}

START_TEST(test_one_at_a_time_joins)
{
    struct timespec past = {0, 0};
    pthread_t thread;

    make_hub();
    joined = begin(sleep_until_told, NULL);
    thread = begin(join_it, NULL);
    greenify_usleep(1000);
    ck_assert_int_eq(greenify_pthread_join(joined, NULL), EINVAL);
    ck_assert_int_eq(greenify_pthread_timedjoin_np(joined, NULL, &past), EINVAL);
    ck_assert_int_eq(greenify_pthread_detach(joined), 0); /* as libc: it does nothing */
    may_end = true;
    ck_assert_ptr_null(join(thread));
    ck_assert_int_ne(greenify_pthread_tryjoin_np(joined, NULL), 0);
}
END_TEST

static pthread_t partners[2];

static void *join_partner(void *number)
{
    return (void *)(intptr_t)greenify_pthread_join(partners[(intptr_t)number], NULL);
}

START_TEST(test_who_is_joined_cannot_join_back)
{
    make_hub();
    partners[0] = begin(join_partner, (void *)1);
    partners[1] = begin(join_partner, (void *)0);
    greenify_usleep(1000);
    ck_assert_int_eq(greenify_pthread_join(partners[0], NULL), 0);
}
END_TEST

/* --- the hub's own loop ----------------------------------------------------------------------- */

static int join_error = -1;

static void in_callback(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)revents;
    joined = begin(sleep_shortly, (void *)9);
    join_error = greenify_pthread_join(joined, NULL);
    ck_assert(pthread_equal(greenify_pthread_self(), pthread_self()));
    ev_timer_stop(loop, timer);
}

START_TEST(test_a_callback_may_make_one_and_not_wait_for_it)
{
    ev_timer timer;

    make_hub();
    ev_timer_init(&timer, in_callback, 0.001, 0);
    ev_timer_start(green_loop(), &timer);
    while (join_error == -1)
        ck_assert_int_eq(green_sleep(0.01), 0);
    ck_assert_int_eq(join_error, EDEADLK);
    ck_assert_ptr_eq(join(joined), (void *)9);
}
END_TEST

/* --- signals ---------------------------------------------------------------------------------- */

static void handle(int number)
{
    (void)number;
}

static void *signal_root(void *root)
{
    return (void *)(intptr_t)greenify_pthread_kill(*(pthread_t *)root, SIGUSR1);
}

/* Its handler runs on the stack of who sends it, and ends the wait of who it was sent to. */
START_TEST(test_a_coroutine_sends_a_signal_to_the_thread)
{
    struct sigaction action = {.sa_handler = handle};
    pthread_t self = pthread_self(), thread;

    make_hub();
    sigaction(SIGUSR1, &action, NULL);
    thread = begin(signal_root, &self);
    ck_assert_int_eq(greenify_usleep(10000000), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_ptr_null(join(thread));
}
END_TEST

/* --- stacks ----------------------------------------------------------------------------------- */

START_TEST(test_a_stack_of_the_program_is_free_after_the_join)
{
    enum { SIZE = 1 << 16 };
    void *stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attributes;
    pthread_t thread;

    make_hub();
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, SIZE);
    ck_assert_int_eq(greenify_pthread_create(&thread, &attributes, sleep_shortly, NULL), 0);
    pthread_attr_destroy(&attributes);
    (void)join(thread);
    ck_assert_int_eq(munmap(stack, SIZE), 0);
    (void)join(begin(sleep_shortly, NULL));
}
END_TEST

/* Each frame is needed after the call. */
static void *recurse(void *argument)
{
    volatile uintptr_t part[512];

    part[0] = (uintptr_t)argument + 1;
    if (part[0] != 0)
        part[511] = (uintptr_t)recurse((void *)part[0]);
    return (void *)(part[0] + part[511]);
}

static void overflow(void)
{
    pthread_attr_t attributes;
    pthread_t thread;

    (void)green_loop();
    fclose(stderr);
    close(STDERR_FILENO);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 1 << 16);
    if (greenify_pthread_create(&thread, &attributes, recurse, NULL) == 0)
        greenify_pthread_join(thread, NULL);
}

START_TEST(test_there_is_a_guard_page)
{
    int status = child_status(overflow);

    ck_assert(is_sanitized() || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_they_are_coroutines_of_the_calling_thread,
        test_without_a_hub_they_are_libcs,
        test_ten_thousand_at_once,
        test_who_never_waits_lets_others_run,
        test_each_coroutine_is_somebody,
        test_any_coroutine_may_leave,
        test_libc_knows_nothing_of_them,
        test_one_at_a_time_joins,
        test_who_is_joined_cannot_join_back,
        test_a_callback_may_make_one_and_not_wait_for_it,
        test_a_coroutine_sends_a_signal_to_the_thread,
        test_a_stack_of_the_program_is_free_after_the_join,
        test_there_is_a_guard_page,
    };

    return run_suite("threads", tests, sizeof tests / sizeof tests[0]);
}

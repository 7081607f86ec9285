/* SPDX-License-Identifier: MIT
 *
 * A foreign host, made of ucontexts and poll(): what a bridge to somebody else's loop lives on.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

enum { FLOWS = 3, STACK = 256 * 1024 };

struct flow {
    ucontext_t context;
    struct green_parked *parked;
    bool ready, ended;
    int thrown; /* ends the next wait */
    void (*function)(struct flow *flow);
    int fd, result, error;
    double elapsed;
};

static struct flow flows[FLOWS], *running;
static ucontext_t host_loop;
static int s[2], waiting_calls, now_waiting;

static int park(void *data, struct green_parked *p)
{
    struct flow *self = running;

    (void)data;
    if (self == NULL)
        return -1;
    if (self->thrown == 0) {
        p->host[0] = self;
        self->parked = p;
        swapcontext(&self->context, &host_loop);
        self->parked = NULL;
    }
    if (self->thrown != 0) {
        int error = self->thrown;

        self->thrown = 0;
        return error;
    }
    return 0;
}

static void unpark(void *data, struct green_parked *p)
{
    struct flow *flow = p->host[0];

    (void)data;
    flow->ready = true;
}

static void on_waiting(void *data, int waiting)
{
    (void)data;
    waiting_calls++;
    now_waiting = waiting;
}

static const struct green_host host = {
    .size = sizeof host, .park = park, .unpark = unpark, .waiting = on_waiting};

static void run_flow(unsigned index)
{
    struct flow *flow = &flows[index];

    flow->function(flow);
    flow->ended = true;
}

static void begin(unsigned index, void (*function)(struct flow *), int fd)
{
    struct flow *flow = &flows[index];

    *flow = (struct flow){.function = function, .fd = fd, .ready = true};
    getcontext(&flow->context);
    flow->context.uc_stack.ss_sp = calloc(1, STACK);
    flow->context.uc_stack.ss_size = STACK;
    flow->context.uc_link = &host_loop;
    makecontext(&flow->context, (void (*)(void))run_flow, 1, index);
}

static bool run_ready(void)
{
    bool any = false;

    for (int i = 0; i < FLOWS; i++) {
        if (!flows[i].ready)
            continue;
        flows[i].ready = false;
        running = &flows[i];
        swapcontext(&host_loop, &flows[i].context);
        running = NULL;
        any = true;
    }
    return any;
}

static bool all_ended(void)
{
    for (int i = 0; i < FLOWS; i++)
        if (flows[i].function != NULL && !flows[i].ended)
            return false;
    return true;
}

/* The other loop: waits on the one descriptor. Returns how often that was readable. */
static int run_host(double limit)
{
    double end = now() + limit;
    int rounds = 0;

    while (!all_ended() && now() < end) {
        struct pollfd fd = {.fd = green_host_fd(), .events = POLLIN};

        if (run_ready())
            continue;
        if (poll(&fd, 1, 20) > 0) {
            ck_assert_int_ge(green_host_dispatch(), 0);
            rounds++;
        }
    }
    return rounds;
}

static void finish(void)
{
    for (int i = 0; i < FLOWS; i++)
        free(flows[i].context.uc_stack.ss_sp);
}

static void attach(void)
{
    ck_assert_int_eq(green_host_attach(&host, NULL), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
}

static void receive(struct flow *flow)
{
    char byte;
    double start = now();

    flow->result = (int)greenify_recv(flow->fd, &byte, 1, 0);
    flow->error = errno;
    flow->elapsed = now() - start;
}

static void sleep_and_send(struct flow *flow)
{
    double start = now();

    greenify_usleep(30000);
    flow->elapsed = now() - start;
    flow->result = (int)greenify_send(flow->fd, "x", 1, 0);
}

START_TEST(attach_refuses_what_it_cannot_use)
{
    struct green_host bad = host;
    struct green_hub_stats stats;

    errno = 0;
    ck_assert_int_eq(green_host_attach(NULL, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    bad.size = 3;
    ck_assert_int_eq(green_host_attach(&bad, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    bad = host;
    bad.park = NULL;
    ck_assert_int_eq(green_host_attach(&bad, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(green_host_detach(), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(green_host_fd(), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(green_host_dispatch(), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(green_hub_stats(&stats), -1);
    attach();
    ck_assert_int_eq(green_host_attach(&host, NULL), -1);
    ck_assert_int_eq(errno, EBUSY);
    errno = 0;
    ck_assert_ptr_null(green_spawn((void *(*)(void *))strdup, NULL));
    ck_assert_int_eq(errno, ENOTSUP);
    ck_assert_ptr_null(green_loop());
    ck_assert_int_eq(errno, ENOTSUP);
    ck_assert_int_eq(green_host_detach(), 0);
    ck_assert_int_eq(green_host_detach(), -1);
}
END_TEST

START_TEST(flows_wait_for_each_other)
{
    struct green_hub_stats stats;

    attach();
    begin(0, receive, s[0]);
    begin(1, sleep_and_send, s[1]);
    run_host(5);
    ck_assert(flows[0].ended && flows[1].ended);
    ck_assert_int_eq(flows[0].result, 1);
    ck_assert_double_ge(flows[1].elapsed, 0.03);
    ck_assert_double_ge(flows[0].elapsed, 0.03);
    ck_assert_int_ge(waiting_calls, 2);
    ck_assert_int_eq(now_waiting, 0);
    ck_assert_int_eq(green_hub_stats(&stats), 0);
    ck_assert_uint_eq(stats.waiting, 0);
    ck_assert_int_eq(green_host_detach(), 0);
    finish();
}
END_TEST

START_TEST(a_detach_with_waits_is_ebusy)
{
    attach();
    begin(0, receive, s[0]);
    run_ready();
    errno = 0;
    ck_assert_int_eq(green_host_detach(), -1);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    run_host(5);
    ck_assert_int_eq(flows[0].result, 1);
    ck_assert_int_eq(green_host_detach(), 0);
    finish();
}
END_TEST

START_TEST(a_host_ends_a_wait_with_an_error)
{
    attach();
    begin(0, receive, s[0]);
    run_ready();
    flows[0].thrown = ETIMEDOUT;
    flows[0].ready = true;
    run_host(5);
    ck_assert_int_eq(flows[0].result, -1);
    ck_assert_int_eq(flows[0].error, ETIMEDOUT);
    ck_assert_int_eq(write(s[1], "x", 1), 1); /* the old wait is over, and wakes nobody */
    green_host_dispatch();
    begin(1, receive, s[0]);
    run_host(5);
    ck_assert_int_eq(flows[1].result, 1);
    ck_assert_int_eq(green_host_detach(), 0);
    finish();
}
END_TEST

START_TEST(a_flow_that_cannot_be_suspended_blocks)
{
    struct pollfd fd;
    struct green_hub_stats stats;

    attach();
    fd = (struct pollfd){.fd = s[0], .events = POLLIN};
    ck_assert_int_eq(greenify_poll(&fd, 1, 20), 0);
    ck_assert_int_eq(greenify_usleep(1000), 0);
    ck_assert_int_eq(write(s[1], "x", 1), 1);
    ck_assert_int_eq(greenify_poll(&fd, 1, -1), 1);
    ck_assert_int_eq(green_hub_stats(&stats), 0);
    ck_assert_uint_eq(stats.blocked, 2);
    ck_assert_int_eq(green_host_detach(), 0);
}
END_TEST

static void look_up(struct flow *flow)
{
    struct addrinfo *list = NULL;
    const struct hostent *found = greenify_gethostbyname("127.0.0.1");

    flow->result = greenify_getaddrinfo("127.0.0.1", "80", NULL, &list) == 0 && found != NULL;
    freeaddrinfo(list);
}

START_TEST(a_worker_thread_wakes_the_host)
{
    attach();
    begin(0, look_up, -1);
    run_host(10);
    ck_assert(flows[0].ended);
    ck_assert_int_eq(flows[0].result, 1);
    ck_assert_int_eq(green_host_detach(), 0);
    finish();
}
END_TEST

static void close_it(struct flow *flow)
{
    flow->result = greenify_close(flow->fd);
}

START_TEST(a_close_by_another_flow_makes_the_descriptor_readable)
{
    attach();
    begin(0, receive, s[0]);
    run_ready();
    begin(1, close_it, s[0]);
    run_host(5);
    ck_assert_int_eq(flows[0].result, -1);
    ck_assert_int_eq(flows[0].error, EBADF);
    ck_assert_int_eq(green_host_detach(), 0);
    finish();
}
END_TEST

START_TEST(the_descriptor_is_quiet_when_nobody_waits)
{
    struct pollfd fd;

    attach();
    begin(0, receive, s[0]);
    run_ready();
    ck_assert_int_eq(write(s[1], "xy", 2), 2);
    run_host(5);
    ck_assert_int_eq(flows[0].result, 1);
    fd = (struct pollfd){.fd = green_host_fd(), .events = POLLIN};
    ck_assert_int_eq(poll(&fd, 1, 20), 0); /* a byte is left, but nobody asks */
    ck_assert_int_eq(green_host_detach(), 0);
    finish();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        attach_refuses_what_it_cannot_use,
        flows_wait_for_each_other,
        a_detach_with_waits_is_ebusy,
        a_host_ends_a_wait_with_an_error,
        a_flow_that_cannot_be_suspended_blocks,
        a_worker_thread_wakes_the_host,
        a_close_by_another_flow_makes_the_descriptor_readable,
        the_descriptor_is_quiet_when_nobody_waits,
    };

    return run_suite("host", tests, sizeof tests / sizeof tests[0]);
}

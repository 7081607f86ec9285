/* SPDX-License-Identifier: MIT
 *
 * The hosts: our own coroutines, and ucontexts that wait on the one descriptor.
 */
#include "../runtime/support.h"
#include "cancel.h"
#include "green.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

static void (*functions[FLOWS])(int number);

/* --- native ----------------------------------------------------------------------------------- */

static green_t *coroutines[FLOWS];

static void native_begin(void)
{
    ck_assert_ptr_nonnull(green_loop());
}

static void native_end(void)
{
}

static void *run_coroutine(void *number)
{
    functions[(intptr_t)number]((int)(intptr_t)number);
    return NULL;
}

static void native_start(int number, void (*function)(int number))
{
    functions[number] = function;
    coroutines[number] = green_spawn(run_coroutine, (void *)(intptr_t)number);
    ck_assert_ptr_nonnull(coroutines[number]);
    green_yield();
}

static void native_kill(int number, int error)
{
    ck_assert_int_eq(green_kill(coroutines[number], error), 0);
}

static bool native_join(int number, double limit)
{
    return green_join(coroutines[number], NULL, limit) == 0;
}

const struct host native = {
    .name = "native",
    .begin = native_begin,
    .end = native_end,
    .start = native_start,
    .kill = native_kill,
    .join = native_join,
};

/* --- foreign ---------------------------------------------------------------------------------- */

enum { STACK = 256 * 1024 };

static struct flow {
    ucontext_t context;
    bool ready, ended;
    int thrown; /* ends the wait that it is in */
} flows[FLOWS], *running;

static ucontext_t loop;

static int park(void *data, struct green_parked *p)
{
    struct flow *self = running;
    int error;

    (void)data;
    if (self == NULL)
        return -1;
    p->host[0] = self;
    running = NULL;
    swapcontext(&self->context, &loop);
    error = self->thrown;
    self->thrown = 0;
    return error;
}

static void unpark(void *data, struct green_parked *p)
{
    struct flow *flow = p->host[0];

    (void)data;
    flow->ready = true;
}

static void *current(void *data)
{
    (void)data;
    return running == NULL ? (void *)&loop : running;
}

static void foreign_begin(void)
{
    static const struct green_host host = {
        .size = sizeof host, .park = park, .unpark = unpark, .current = current};

    ck_assert_int_eq(green_host_attach(&host, NULL), 0);
}

static void foreign_end(void)
{
    ck_assert_int_eq(green_host_detach(), 0);
    for (int i = 0; i < FLOWS; i++) {
        free(flows[i].context.uc_stack.ss_sp);
        flows[i].context.uc_stack.ss_sp = NULL;
    }
}

static void run(struct flow *flow)
{
    flow->ready = false;
    running = flow;
    swapcontext(&loop, &flow->context);
    running = NULL;
}

static void run_flow(unsigned number)
{
    functions[number]((int)number);
    flows[number].ended = true;
}

static void foreign_start(int number, void (*function)(int number))
{
    struct flow *flow = &flows[number];
    void *stack = flow->context.uc_stack.ss_sp;

    functions[number] = function;
    flow->ended = false;
    flow->thrown = 0;
    getcontext(&flow->context);
    flow->context.uc_stack.ss_sp = stack != NULL ? stack : calloc(1, STACK);
    flow->context.uc_stack.ss_size = STACK;
    flow->context.uc_link = &loop;
    makecontext(&flow->context, (void (*)(void))run_flow, 1, (unsigned)number);
    run(flow);
}

static void foreign_kill(int number, int error)
{
    flows[number].thrown = error;
    flows[number].ready = true;
}

static bool foreign_join(int number, double limit)
{
    double end = now() + limit;

    while (!flows[number].ended && now() < end) {
        struct pollfd fd = {.fd = green_host_fd(), .events = POLLIN};

        for (int i = 0; i < FLOWS; i++)
            if (flows[i].ready)
                run(&flows[i]);
        if (!flows[number].ended && poll(&fd, 1, 20) > 0)
            ck_assert_int_ge(green_host_dispatch(), 0);
    }
    return flows[number].ended;
}

const struct host foreign = {
    .name = "foreign",
    .begin = foreign_begin,
    .end = foreign_end,
    .start = foreign_start,
    .kill = foreign_kill,
    .join = foreign_join,
};

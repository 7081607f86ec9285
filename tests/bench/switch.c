/* SPDX-License-Identifier: MIT
 *
 * What a switch and a coroutine cost, beside swapcontext(3).
 */
#include "green.h"
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

enum { CROWD = 1000 };

static ucontext_t here, there;
static long rounds;

static void bounce(void)
{
    for (;;)
        swapcontext(&there, &here);
}

static void run_swapcontext(long count)
{
    for (long i = 0; i < count; i += 2)
        swapcontext(&here, &there);
}

static void *yield_rounds(void *unused)
{
    for (long i = 0; i < rounds; i++)
        green_yield();
    return unused;
}

/* One after another straight into each other, the loop once a round. */
static void run_crowd(long count)
{
    static green_t *crowd[CROWD];

    rounds = count / CROWD;
    for (int i = 0; i < CROWD; i++)
        crowd[i] = green_spawn(yield_rounds, NULL);
    for (int i = 0; i < CROWD; i++)
        green_join(crowd[i], NULL, -1);
}

static void run_pair(long count)
{
    green_t *g;

    rounds = count / 2;
    g = green_spawn(yield_rounds, NULL);
    yield_rounds(NULL);
    green_join(g, NULL, -1);
}

static void *nothing(void *unused)
{
    return unused;
}

static void run_spawn(long count)
{
    for (long i = 0; i < count; i++)
        green_join(green_spawn(nothing, NULL), NULL, -1);
}

static void run_spawn_many(long count)
{
    static green_t *crowd[CROWD];

    for (long i = 0; i < count; i += CROWD) {
        for (int k = 0; k < CROWD; k++)
            crowd[k] = green_spawn(nothing, NULL);
        for (int k = 0; k < CROWD; k++)
            green_join(crowd[k], NULL, -1);
    }
}

int main(void)
{
    getcontext(&there);
    there.uc_stack.ss_sp = malloc(65536);
    there.uc_stack.ss_size = 65536;
    makecontext(&there, bounce, 0);
    printf("swapcontext, each switch:              %8.1f ns\n", measure(run_swapcontext, 200000));
    printf("green_yield, 1000 coroutines:          %8.1f ns\n", measure(run_crowd, 1000000));
    printf("green_yield, 2 (the loop each round):  %8.1f ns\n", measure(run_pair, 200000));
    printf("spawn and join, one at a time:         %8.1f ns\n", measure(run_spawn, 50000));
    printf("spawn and join, 1000 at once:          %8.1f ns\n", measure(run_spawn_many, 100000));
    return EXIT_SUCCESS;
}

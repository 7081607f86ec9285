/* SPDX-License-Identifier: MIT
 *
 * Ours from within: the bare switch and the waiter are what everything else stands on, and not in
 * green.h.
 */
#include "contender.h"

#include "context.h"
#include "green.h"
#include "hub.h"
#include "waiter.h"

#include <math.h>
#include <stdlib.h>

/* --- bare switches in a ring ------------------------------------------------------------------ */

static struct context *ring;
static long ring_size;

static void pass_on(void *place)
{
    struct context *self = place;
    struct context *next = self + 1 == ring + ring_size ? ring : self + 1;

    for (;;)
        green_context_switch(self, next);
}

static void run_bare(long flows, long count)
{
    enum { STACK = 16384 };
    char *stacks = aligned_alloc(STACK, (size_t)flows * STACK);

    ring = calloc((size_t)flows, sizeof *ring);
    ring_size = flows;
    contender_check(stacks != NULL && ring != NULL, "bare");
    for (long i = 1; i < flows; i++)
        context_prepare(&ring[i], stacks + (i + 1) * STACK, pass_on, &ring[i]);
    for (long i = 0; i < count; i += flows)
        green_context_switch(&ring[0], &ring[1]);
    free(stacks);
    free(ring);
}

/* --- each of a pair wakes the other and waits ------------------------------------------------- */

static struct waiter *parked[2];
static long rounds;

static void *wake_and_wait(void *side)
{
    long self = (long)side;

    for (long i = 0; i < rounds; i++) {
        struct waiter *w = waiter_create(hub_current(), "wake_and_wait", 0);

        parked[self] = w;
        if (parked[1 - self] != NULL)
            waiter_wake(parked[1 - self], WAKE_READY);
        if (i + 1 < rounds || self == 0)
            waiter_park(w, (double)INFINITY);
        parked[self] = NULL;
        waiter_destroy(w);
    }
    return NULL;
}

static void run_wake(long flows, long count)
{
    green_t *first, *second;

    rounds = count / flows;
    first = green_spawn(wake_and_wait, (void *)0L);
    second = green_spawn(wake_and_wait, (void *)1L);
    contender_check(first != NULL && second != NULL, "green_spawn");
    green_join(first, NULL, -1);
    green_join(second, NULL, -1);
}

int main(int argc, char **argv)
{
    static const struct contender_measure measures[] = {
        {"bare", run_bare},
        {"wake", run_wake},
        {NULL, NULL},
    };

    return contender_main(argc, argv, measures);
}

/* SPDX-License-Identifier: MIT
 *
 * swapcontext(3), which asks the kernel to change the signal mask each time.
 */
#include "contender.h"

#include <stdlib.h>
#include <ucontext.h>

static ucontext_t *ring;
static long ring_size;

static void pass_on(int place)
{
    for (;;)
        swapcontext(&ring[place], &ring[(place + 1) % ring_size]);
}

static void run_bare(long flows, long count)
{
    enum { STACK = 16384 };
    char *stacks = aligned_alloc(STACK, (size_t)flows * STACK);

    ring = calloc((size_t)flows, sizeof *ring);
    ring_size = flows;
    contender_check(stacks != NULL && ring != NULL, "bare");
    for (long i = 1; i < flows; i++) {
        getcontext(&ring[i]);
        ring[i].uc_stack.ss_sp = stacks + i * STACK;
        ring[i].uc_stack.ss_size = STACK;
        makecontext(&ring[i], (void (*)(void))pass_on, 1, (int)i);
    }
    for (long i = 0; i < count; i += flows)
        swapcontext(&ring[0], &ring[1]);
    free(stacks);
    free(ring);
}

int main(int argc, char **argv)
{
    static const struct contender_measure measures[] = {{"bare", run_bare}, {NULL, NULL}};

    return contender_main(argc, argv, measures);
}

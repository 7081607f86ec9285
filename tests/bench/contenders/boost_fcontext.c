/* SPDX-License-Identifier: MIT
 *
 * Boost.Context's assembly routine itself, which its classes wrap. Its declarations are C++ only.
 */
#include "contender.h"

#include <stdlib.h>

typedef void *fcontext;

struct transfer {
    fcontext from;
    void *data;
};

struct transfer jump_fcontext(fcontext to, void *data);
fcontext make_fcontext(void *top, size_t size, void (*function)(struct transfer));

/* Somebody who jumps gives its own place to the next, which keeps it for its predecessor. */
static fcontext *ring;
static long ring_size;

static long next_of(long place)
{
    return place + 1 == ring_size ? 0 : place + 1;
}

static void pass_on(struct transfer t)
{
    long place = (long)t.data, next = next_of(place);

    for (;;) {
        ring[place == 0 ? ring_size - 1 : place - 1] = t.from;
        t = jump_fcontext(ring[next], (void *)next);
    }
}

static void run_bare(long flows, long count)
{
    enum { STACK = 16384 };
    char *stacks = aligned_alloc(STACK, (size_t)flows * STACK);

    ring = calloc((size_t)flows, sizeof *ring);
    ring_size = flows;
    contender_check(stacks != NULL && ring != NULL, "bare");
    for (long i = 1; i < flows; i++)
        ring[i] = make_fcontext(stacks + (i + 1) * STACK, STACK, pass_on);
    for (long i = 0; i < count; i += flows)
        ring[flows - 1] = jump_fcontext(ring[1], (void *)1L).from;
    free(stacks);
    free(ring);
}

int main(int argc, char **argv)
{
    static const struct contender_measure measures[] = {{"bare", run_bare}, {NULL, NULL}};

    return contender_main(argc, argv, measures);
}

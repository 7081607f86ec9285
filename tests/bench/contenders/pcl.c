/* SPDX-License-Identifier: MIT
 *
 * The Portable Coroutine Library.
 */
#include "contender.h"

#include <pcl.h>
#include <stdlib.h>

static coroutine_t *ring;
static long ring_size;

static void pass_on(void *place)
{
    long next = ((long)place + 1) % ring_size;

    for (;;)
        co_call(ring[next]);
}

static void run_bare(long flows, long count)
{
    ring = calloc((size_t)flows, sizeof *ring);
    ring_size = flows;
    contender_check(ring != NULL, "bare");
    ring[0] = co_current();
    for (long i = 1; i < flows; i++) {
        ring[i] = co_create(pass_on, (void *)i, NULL, 16384);
        contender_check(ring[i] != NULL, "co_create");
    }
    for (long i = 0; i < count; i += flows)
        co_call(ring[1]);
}

static void nothing(void *unused)
{
    (void)unused;
}

static void run_spawn(long flows, long count)
{
    coroutine_t *all = calloc((size_t)flows, sizeof *all);

    for (long i = 0; i < count; i += flows) {
        for (long k = 0; k < flows; k++) {
            all[k] = co_create(nothing, NULL, NULL, 65536);
            contender_check(all[k] != NULL, "co_create");
        }
        for (long k = 0; k < flows; k++)
            co_call(all[k]);
    }
    free(all);
}

int main(int argc, char **argv)
{
    static const struct contender_measure measures[] = {
        {"bare", run_bare}, {"spawn", run_spawn}, {NULL, NULL}};

    contender_check(co_thread_init() == 0, "co_thread_init");
    return contender_main(argc, argv, measures);
}

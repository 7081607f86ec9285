/* SPDX-License-Identifier: MIT
 *
 * Ours, through green.h.
 */
#include "green.h"
#include "contender.h"

#include <errno.h>
#include <stdlib.h>

static green_t **all; /* as many as there are flows */

static void crowd(long flows, void *(*entry)(void *))
{
    for (long i = 0; i < flows; i++) {
        all[i] = green_spawn(entry, NULL);
        contender_check(all[i] != NULL, "green_spawn");
    }
    for (long i = 0; i < flows; i++)
        green_join(all[i], NULL, -1);
}

static long rounds;

static void *yield_rounds(void *unused)
{
    for (long i = 0; i < rounds; i++)
        green_yield();
    return unused;
}

static void run_yield(long flows, long count)
{
    rounds = count / flows;
    crowd(flows, yield_rounds);
}

static void *nothing(void *unused)
{
    return unused;
}

static void run_spawn(long flows, long count)
{
    for (long i = 0; i < count; i += flows)
        crowd(flows, nothing);
}

static void *wait_long(void *unused)
{
    green_sleep(1e6);
    return unused;
}

static void run_idle(long flows, long stack_size)
{
    if (stack_size > 0)
        contender_check(green_set_stack_size((size_t)stack_size) == 0, "green_set_stack_size");
    green_join(green_spawn(nothing, NULL), NULL, -1);
    contender_stage("before");
    for (long i = 0; i < flows; i++) {
        all[i] = green_spawn(wait_long, NULL);
        contender_check(all[i] != NULL, "green_spawn");
    }
    green_yield();
    contender_stage("waiting");
    for (long i = 0; i < flows; i++)
        green_kill(all[i], ECANCELED);
    for (long i = 0; i < flows; i++)
        green_join(all[i], NULL, -1);
    contender_stage("ended");
    green_sleep(3);
    contender_stage("later");
}

int main(int argc, char **argv)
{
    static const struct contender_measure measures[] = {
        {"yield", run_yield},
        {"spawn", run_spawn},
        {"idle", run_idle},
        {NULL, NULL},
    };

    all = calloc(contender_flows(argc, argv), sizeof *all);
    contender_check(all != NULL, "calloc");
    return contender_main(argc, argv, measures);
}

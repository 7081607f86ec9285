/* SPDX-License-Identifier: MIT
 *
 * GNU Pth.
 */
#include "contender.h"

#include <pth.h>
#include <stdlib.h>

static long rounds;

static pth_t *all; /* as many as there are flows */

static void crowd(long flows, void *(*entry)(void *))
{
    for (long i = 0; i < flows; i++) {
        all[i] = pth_spawn(PTH_ATTR_DEFAULT, entry, (void *)i);
        contender_check(all[i] != NULL, "pth_spawn");
    }
    for (long i = 0; i < flows; i++)
        pth_join(all[i], NULL);
}

static void *yield_rounds(void *unused)
{
    for (long i = 0; i < rounds; i++)
        pth_yield(NULL);
    return unused;
}

static void run_yield(long flows, long count)
{
    rounds = count / flows;
    crowd(flows, yield_rounds);
}

static pth_mutex_t mutex = PTH_MUTEX_INIT;
static pth_cond_t turned = PTH_COND_INIT;
static long turn;

static void *wake_and_wait(void *side)
{
    long self = (long)side;

    pth_mutex_acquire(&mutex, FALSE, NULL);
    for (long i = 0; i < rounds; i++) {
        while (turn != self)
            pth_cond_await(&turned, &mutex, NULL);
        turn = 1 - self;
        pth_cond_notify(&turned, FALSE);
    }
    pth_mutex_release(&mutex);
    return NULL;
}

static void run_wake(long flows, long count)
{
    rounds = count / flows;
    crowd(2, wake_and_wait);
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

static int over;

static void *wait_long(void *unused)
{
    pth_mutex_acquire(&mutex, FALSE, NULL);
    while (!over)
        pth_cond_await(&turned, &mutex, NULL);
    pth_mutex_release(&mutex);
    return unused;
}

static void run_idle(long flows, long unused)
{
    (void)unused;
    crowd(1, nothing);
    contender_stage("before");
    for (long i = 0; i < flows; i++) {
        all[i] = pth_spawn(PTH_ATTR_DEFAULT, wait_long, NULL);
        contender_check(all[i] != NULL, "pth_spawn");
    }
    pth_yield(NULL);
    contender_stage("waiting");
    pth_mutex_acquire(&mutex, FALSE, NULL);
    over = 1;
    pth_cond_notify(&turned, TRUE);
    pth_mutex_release(&mutex);
    for (long i = 0; i < flows; i++)
        pth_join(all[i], NULL);
    contender_stage("ended");
}

int main(int argc, char **argv)
{
    static const struct contender_measure measures[] = {
        {"yield", run_yield}, {"wake", run_wake}, {"spawn", run_spawn},
        {"idle", run_idle},   {NULL, NULL},
    };

    contender_check(pth_init(), "pth_init");
    all = calloc(contender_flows(argc, argv), sizeof *all);
    contender_check(all != NULL, "calloc");
    return contender_main(argc, argv, measures);
}

/* SPDX-License-Identifier: MIT
 *
 * State Threads. Its version in Debian has no yield: a sleep of no time is one.
 */
#include "contender.h"

#include <st.h>
#include <stdlib.h>

static long rounds;

static st_thread_t *all; /* as many as there are flows */

static void crowd(long flows, void *(*entry)(void *))
{
    for (long i = 0; i < flows; i++) {
        all[i] = st_thread_create(entry, (void *)i, 1, 0);
        contender_check(all[i] != NULL, "st_thread_create");
    }
    for (long i = 0; i < flows; i++)
        st_thread_join(all[i], NULL);
}

static void *yield_rounds(void *unused)
{
    for (long i = 0; i < rounds; i++)
        st_usleep(0);
    return unused;
}

static void run_yield(long flows, long count)
{
    rounds = count / flows;
    crowd(flows, yield_rounds);
}

static st_cond_t turned[2];
static long turn;

static void *wake_and_wait(void *side)
{
    long self = (long)side;

    for (long i = 0; i < rounds; i++) {
        while (turn != self)
            st_cond_wait(turned[self]);
        turn = 1 - self;
        st_cond_signal(turned[turn]);
    }
    return NULL;
}

static void run_wake(long flows, long count)
{
    rounds = count / flows;
    turned[0] = st_cond_new();
    turned[1] = st_cond_new();
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

static st_cond_t over;

static void *wait_long(void *unused)
{
    st_cond_wait(over);
    return unused;
}

static void run_idle(long flows, long unused)
{
    (void)unused;
    over = st_cond_new();
    crowd(1, nothing);
    contender_stage("before");
    for (long i = 0; i < flows; i++) {
        all[i] = st_thread_create(wait_long, NULL, 1, 0);
        contender_check(all[i] != NULL, "st_thread_create");
    }
    st_usleep(0);
    contender_stage("waiting");
    st_cond_broadcast(over);
    for (long i = 0; i < flows; i++)
        st_thread_join(all[i], NULL);
    contender_stage("ended");
}

int main(int argc, char **argv)
{
    static const struct contender_measure measures[] = {
        {"yield", run_yield}, {"wake", run_wake}, {"spawn", run_spawn},
        {"idle", run_idle},   {NULL, NULL},
    };

    contender_check(st_init() == 0, "st_init");
    all = calloc(contender_flows(argc, argv), sizeof *all);
    contender_check(all != NULL, "calloc");
    return contender_main(argc, argv, measures);
}

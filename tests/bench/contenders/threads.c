/* SPDX-License-Identifier: MIT
 *
 * The threads of the kernel.
 */
#include "contender.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

static long rounds;

static void start(pthread_t *thread, void *(*entry)(void *), void *argument)
{
    errno = pthread_create(thread, NULL, entry, argument);
    contender_check(errno == 0, "pthread_create");
}

static pthread_t *all; /* as many as there are flows */

static void crowd(long flows, void *(*entry)(void *))
{
    for (long i = 0; i < flows; i++)
        start(&all[i], entry, (void *)i);
    for (long i = 0; i < flows; i++)
        pthread_join(all[i], NULL);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static long turn;

static void *wake_and_wait(void *side)
{
    long self = (long)side;

    pthread_mutex_lock(&mutex);
    for (long i = 0; i < rounds; i++) {
        while (turn != self)
            pthread_cond_wait(&turned, &mutex);
        turn = 1 - self;
        pthread_cond_signal(&turned);
    }
    pthread_mutex_unlock(&mutex);
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

static long waiting, over;

static void *wait_long(void *unused)
{
    pthread_mutex_lock(&mutex);
    waiting++;
    while (!over)
        pthread_cond_wait(&turned, &mutex);
    pthread_mutex_unlock(&mutex);
    return unused;
}

static long count_waiting(void)
{
    long count;

    pthread_mutex_lock(&mutex);
    count = waiting;
    pthread_mutex_unlock(&mutex);
    return count;
}

static void run_idle(long flows, long unused)
{
    (void)unused;
    crowd(1, nothing);
    contender_stage("before");
    for (long i = 0; i < flows; i++)
        start(&all[i], wait_long, NULL);
    while (count_waiting() < flows)
        usleep(1000);
    contender_stage("waiting");
    pthread_mutex_lock(&mutex);
    over = 1;
    pthread_cond_broadcast(&turned);
    pthread_mutex_unlock(&mutex);
    for (long i = 0; i < flows; i++)
        pthread_join(all[i], NULL);
    contender_stage("ended");
}

int main(int argc, char **argv)
{
    static const struct contender_measure measures[] = {
        {"wake", run_wake},
        {"spawn", run_spawn},
        {"idle", run_idle},
        {NULL, NULL},
    };

    all = calloc(contender_flows(argc, argv), sizeof *all);
    contender_check(all != NULL, "calloc");
    return contender_main(argc, argv, measures);
}

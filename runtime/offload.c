/* SPDX-License-Identifier: MIT
 *
 * A pool of worker threads, started as needed, that leave when they have been idle for a while.
 * They block every signal, so that handlers run where the program expects them.
 */
#include "offload.h"

#include "hub.h"
#include "list.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WORKERS_MOST = 32, /* further jobs wait for their turn */
    IDLE_SECONDS = 10,
    STOP_TRIES = 1000, /* with naps of 0.1 ms, after as many without */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct job *first, **last;
    unsigned workers, idle, queued;
    unsigned unbounded; /* such jobs, queued or running */
} pool = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &pool.first, 0, 0, 0, 0};

/* --- fork: the child has no workers ----------------------------------------------------------- */

static void before_fork(void)
{
    pthread_mutex_lock(&pool.lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&pool.lock);
}

static void after_fork_child(void)
{
    pool.first = NULL;
    pool.last = &pool.first;
    pool.workers = pool.idle = pool.queued = pool.unbounded = 0;
    pthread_cond_init(&pool.filled, NULL);
    pthread_mutex_init(&pool.lock, NULL);
}

static void set_up_process(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static bool is_stoppable(const struct job *job)
{
    return job->kind == JOB_STOPPABLE || job->kind == JOB_INTERRUPTIBLE;
}

/* --- workers ---------------------------------------------------------------------------------- */

/* With the lock held. NULL: nothing came for a while. */
static struct job *await_job(void)
{
    struct timespec until;
    struct job *job;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += IDLE_SECONDS;
    pool.idle++;
    while (pool.first == NULL)
        if (pthread_cond_timedwait(&pool.filled, &pool.lock, &until) == ETIMEDOUT)
            break;
    pool.idle--;
    job = pool.first;
    if (job == NULL)
        return NULL;
    pool.first = job->next;
    if (pool.first == NULL)
        pool.last = &pool.first;
    pool.queued--;
    return job;
}

static void run(struct job *job)
{
    if (!is_stoppable(job)) {
        job->run(job);
    } else if (interrupt_enter(&job->interrupt)) {
        job->run(job);
        interrupt_leave(&job->interrupt);
    } else {
        job->stopped = true;
    }
}

static void *work(void *unused)
{
    struct job *job;

    pthread_mutex_lock(&pool.lock);
    while ((job = await_job()) != NULL) {
        bool unbounded = job->kind != JOB_SHORT;

        pthread_mutex_unlock(&pool.lock);
        run(job);
        mailbox_post(job->mailbox, &job->mail);
        pthread_mutex_lock(&pool.lock);
        pool.unbounded -= unbounded;
    }
    pool.workers--;
    pthread_mutex_unlock(&pool.lock);
    return unused;
}

static int start_worker(void)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, work, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* false: there is no worker and none can be started. */
static bool enqueue(struct job *job)
{
    bool accepted = true;

    pthread_mutex_lock(&pool.lock);
    pool.unbounded += job->kind != JOB_SHORT;
    if (pool.idle <= pool.queued && pool.workers < WORKERS_MOST + pool.unbounded) {
        if (start_worker() == 0)
            pool.workers++;
        else
            accepted = pool.workers > 0;
    }
    if (accepted) {
        job->next = NULL;
        *pool.last = job;
        pool.last = &job->next;
        pool.queued++;
        pthread_cond_signal(&pool.filled);
    } else {
        pool.unbounded -= job->kind != JOB_SHORT;
    }
    pthread_mutex_unlock(&pool.lock);
    return accepted;
}

/* --- the caller's side ------------------------------------------------------------------------ */

static void deliver(struct mail *mail)
{
    struct job *job = list_entry(mail, struct job, mail);

    job->done = true;
    if (job->waiter != NULL)
        waiter_wake(job->waiter, WAKE_READY);
    else
        job->destroy(job);
}

static void drop(struct mail *mail)
{
    struct job *job = list_entry(mail, struct job, mail);

    job->destroy(job);
}

/* This flow cannot be suspended, and the job runs already: its thread waits for it. */
static void await_for_real(struct hub *hub, const struct job *job)
{
    const struct timespec moment = {0, 200000};

    for (;;) {
        mailbox_deliver(hub->mailbox);
        if (job->done)
            break;
        nanosleep(&moment, NULL);
    }
}

/* Ends the system call and waits for its answer, which comes at once, so that the caller knows what
 * has happened and what has not. Returns whether it came. */
static bool stop(struct hub *hub, struct job *job)
{
    const struct timespec moment = {0, 100000};

    for (int i = 0; !job->done && i < 2 * STOP_TRIES; i++) {
        if (i % 16 == 0 && !interrupt_ask(&job->interrupt))
            break;
        if (i < STOP_TRIES)
            sched_yield();
        else
            nanosleep(&moment, NULL);
        mailbox_deliver(hub->mailbox);
    }
    if (job->done)
        interrupt_over();
    return job->done;
}

/* The wait was ended, by a kill or by a signal handler. */
static int conclude(struct hub *hub, struct job *job, enum wake cause)
{
    int error = cause == WAKE_FAILED ? errno : EINTR;
    bool happened = job->done || (is_stoppable(job) && stop(hub, job) && !job->stopped);

    job->waiter = NULL;
    if (happened) {
        if (cause == WAKE_FAILED)
            hub_defer(hub, error);
        return 0;
    }
    if (job->done)
        job->destroy(job);
    errno = error;
    return -1;
}

static int await(struct hub *hub, struct job *job)
{
    struct waiter *w = job->waiter;
    enum wake cause;

    w->remote = true;
    w->restartable = job->kind == JOB_STOPPABLE;
    w->interruptible = job->kind == JOB_INTERRUPTIBLE;
    hub->stats.offloaded++;
    cause = waiter_park(w, (double)INFINITY);
    if (cause == WAKE_SIGNAL || cause == WAKE_FAILED)
        return conclude(hub, job, cause);
    if (cause == WAKE_REFUSED)
        await_for_real(hub, job);
    job->waiter = NULL;
    return 0;
}

int offload_run(struct hub *hub, const char *call, struct job *job)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct waiter *w = waiter_create(hub, call, 0);
    int result = 1;

    pthread_once(&once, set_up_process);
    if (w == NULL) {
        job->destroy(job);
        errno = ENOMEM;
        return -1;
    }
    job->stopped = false;
    if (is_stoppable(job))
        interrupt_init(&job->interrupt);
    job->mail = (struct mail){.deliver = deliver, .drop = drop};
    job->waiter = w;
    job->done = false;
    job->mailbox = mailbox_reference(hub->mailbox);
    if (enqueue(job)) {
        result = await(hub, job);
    } else {
        mailbox_release(job->mailbox);
        job->destroy(job);
    }
    waiter_destroy(w);
    return result;
}

/* --- calls by value --------------------------------------------------------------------------- */

struct call_job {
    struct job job;
    offload_function *function;
    long words[OFFLOAD_WORDS];
    long result;
    int error;
};

static void call_run(struct job *job)
{
    struct call_job *call = (struct call_job *)job;

    errno = 0;
    call->result = call->function(call->words);
    call->error = errno;
    job->stopped = call->result == -1 && call->error == EINTR;
}

static void call_destroy(struct job *job)
{
    free(job);
}

long offload_call(struct hub *hub, const char *name, offload_function *function,
                  const long words[OFFLOAD_WORDS], enum job_kind kind, bool *blocks)
{
    struct call_job *call = calloc(1, sizeof *call);
    int saved = errno, status;
    long result;

    *blocks = false;
    if (call == NULL)
        return -1;
    call->job = (struct job){.run = call_run, .destroy = call_destroy, .kind = kind};
    call->function = function;
    memcpy(call->words, words, sizeof call->words);
    status = offload_run(hub, name, &call->job);
    *blocks = status == 1;
    if (status != 0)
        return -1;
    result = call->result;
    errno = result == -1 ? call->error : saved;
    free(call);
    return result;
}

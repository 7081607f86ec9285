/* SPDX-License-Identifier: MIT
 *
 * Hooks of the message queues and semaphores of System V. No event tells of a message, so the queue
 * is looked at again after pauses: a message taken by a worker for a caller that is gone could not
 * be put back in its place. Semaphores are waited for by a worker, in the kernel's queue: a look
 * now and then could miss that one was zero for a moment.
 */
#include "hook.h"
#include "hub.h"
#include "offload.h"
#include "pause.h"
#include "timespec.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>

/* --- messages --------------------------------------------------------------------------------- */

/* A queue that was there and is not any more was removed meanwhile (msgop(2)). */
static void tell_removal(bool waited)
{
    if (waited && errno == EINVAL)
        errno = EIDRM;
}

static ssize_t receive(struct hub *hub, int queue, void *message, size_t size, long type, int flags)
{
    double pause = PAUSE_FIRST;
    int saved = errno;

    for (;;) {
        ssize_t done = msgrcv(queue, message, size, type, flags | IPC_NOWAIT);

        if (done != -1)
            errno = saved;
        if (done != -1 || errno != ENOMSG) {
            if (done == -1)
                tell_removal(pause > PAUSE_FIRST);
            return done;
        }
        switch (pause_between_tries(hub, "msgrcv", &pause, PAUSE_ENDS)) {
        case PAUSE_FAILED:
            return -1;
        case PAUSE_BLOCKS:
            return msgrcv(queue, message, size, type, flags);
        default:
            break;
        }
    }
}

ssize_t greenify_msgrcv(int queue, void *message, size_t size, long type, int flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & IPC_NOWAIT) != 0)
        return msgrcv(queue, message, size, type, flags);
    return receive(hub, queue, message, size, type, flags);
}

static int send_message(struct hub *hub, int queue, const void *message, size_t size, int flags)
{
    double pause = PAUSE_FIRST;
    int saved = errno;

    for (;;) {
        if (msgsnd(queue, message, size, flags | IPC_NOWAIT) == 0) {
            errno = saved;
            return 0;
        }
        if (errno != EAGAIN) {
            tell_removal(pause > PAUSE_FIRST);
            return -1;
        }
        switch (pause_between_tries(hub, "msgsnd", &pause, PAUSE_ENDS)) {
        case PAUSE_FAILED:
            return -1;
        case PAUSE_BLOCKS:
            return msgsnd(queue, message, size, flags);
        default:
            break;
        }
    }
}

int greenify_msgsnd(int queue, const void *message, size_t size, int flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & IPC_NOWAIT) != 0)
        return msgsnd(queue, message, size, flags);
    return send_message(hub, queue, message, size, flags);
}

/* --- semaphores ------------------------------------------------------------------------------- */

/* What comes too late, after the caller was told that it did not come, is given back. */
struct semaphore_job {
    struct job job;
    int set;
    double deadline;
    bool taken_over;
    int result, error;
    size_t count;
    struct sembuf operations[];
};

static void semaphore_run(struct job *job)
{
    struct semaphore_job *call = (struct semaphore_job *)job;
    double left = call->deadline - hub_now();
    struct timespec rest = timespec_from(left > 0 ? left : 0);

    errno = 0;
    call->result = semtimedop(call->set, call->operations, call->count,
                              call->deadline < (double)INFINITY ? &rest : NULL);
    call->error = errno;
    job->stopped = call->result == -1 && call->error == EINTR;
}

static void give_back(struct semaphore_job *call)
{
    size_t kept = 0;

    for (size_t i = 0; i < call->count; i++) {
        struct sembuf operation = call->operations[i];

        if (operation.sem_op == 0)
            continue;
        operation.sem_op = (short)-operation.sem_op;
        operation.sem_flg |= IPC_NOWAIT;
        call->operations[kept++] = operation;
    }
    if (kept > 0)
        (void)semop(call->set, call->operations, kept);
}

static void semaphore_destroy(struct job *job)
{
    struct semaphore_job *call = (struct semaphore_job *)job;

    if (!call->taken_over && call->result == 0)
        give_back(call);
    free(call);
}

static struct semaphore_job *semaphore_create(int set, const struct sembuf *operations,
                                              size_t count, double deadline)
{
    struct semaphore_job *call = malloc(sizeof *call + count * sizeof *operations);

    if (call == NULL)
        return NULL;
    *call = (struct semaphore_job){
        .job = {.run = semaphore_run, .destroy = semaphore_destroy, .kind = JOB_INTERRUPTIBLE},
        .set = set,
        .deadline = deadline,
        .result = -1,
        .count = count,
    };
    memcpy(call->operations, operations, count * sizeof *operations);
    return call;
}

/* The first try finds what is wrong with the arguments. Its EAGAIN may also be for an operation
 * with IPC_NOWAIT: then the worker's call gets it at once. */
static int operate(struct hub *hub, const char *name, int set, struct sembuf *operations,
                   size_t count, double timeout)
{
    static const struct timespec at_once = {0, 0};
    double deadline = hub_deadline(timeout);
    int saved = errno, status, result = semtimedop(set, operations, count, &at_once);
    struct semaphore_job *call;

    if (result == 0 || errno != EAGAIN)
        return result;
    call = semaphore_create(set, operations, count, deadline);
    if (call == NULL)
        return -1;
    status = offload_run(hub, name, &call->job);
    if (status == 1 && timeout < 0)
        return semop(set, operations, count);
    if (status == 1) {
        struct timespec rest = timespec_from(deadline - hub_now());

        return semtimedop(set, operations, count, &rest);
    }
    if (status != 0)
        return -1;
    call->taken_over = true;
    result = call->result;
    errno = result == -1 ? call->error : saved;
    semaphore_destroy(&call->job);
    return result;
}

int greenify_semop(int set, struct sembuf *operations, size_t count)
{
    struct hub *hub = hub_current();

    return hub == NULL ? semop(set, operations, count)
                       : operate(hub, "semop", set, operations, count, -1);
}

int greenify_semtimedop(int set, struct sembuf *operations, size_t count,
                        const struct timespec *timeout)
{
    struct hub *hub = hub_current();

    if (hub == NULL ||
        (timeout != NULL && (!timespec_is_valid(timeout) || timespec_seconds(timeout) <= 0)))
        return semtimedop(set, operations, count, timeout);
    return operate(hub, "semtimedop", set, operations, count,
                   timeout == NULL ? -1 : timespec_seconds(timeout));
}

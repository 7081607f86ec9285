/* SPDX-License-Identifier: MIT
 *
 * Hooks of the message queues and semaphores of System V. After a first try a worker waits, in the
 * kernel's queue, where the order is kept and nothing is missed that is true for a moment only.
 */
#include "hook_inside.h"
#include "hub.h"
#include "offload.h"
#include "thread/cancel.h"
#include "timespec.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>

/* --- messages --------------------------------------------------------------------------------- */

struct message_job {
    struct job job;
    int queue, flags;
    bool sends, taken_over;
    long wanted; /* type that is received */
    size_t size;
    ssize_t result;
    int error;
    struct {
        long type;
        char text[];
    } message; /* as msgop(2) has it */
};

static void message_run(struct job *job)
{
    struct message_job *call = (struct message_job *)job;

    errno = 0;
    call->result = call->sends
                       ? msgsnd(call->queue, &call->message, call->size, call->flags)
                       : msgrcv(call->queue, &call->message, call->size, call->wanted, call->flags);
    call->error = errno;
    job->stopped = call->result == -1 && call->error == EINTR;
}

/* What was received for a caller that is gone is sent again. */
static void message_destroy(struct job *job)
{
    struct message_job *call = (struct message_job *)job;

    if (!call->sends && !call->taken_over && call->result >= 0)
        (void)msgsnd(call->queue, &call->message, (size_t)call->result, IPC_NOWAIT);
    free(call);
}

static struct message_job *message_create(int queue, size_t size, int flags)
{
    struct message_job *call = malloc(sizeof *call + size);

    if (call == NULL)
        return NULL;
    *call = (struct message_job){
        .job = {.run = message_run, .destroy = message_destroy, .kind = JOB_INTERRUPTIBLE},
        .queue = queue,
        .flags = flags,
        .size = size,
        .result = -1,
    };
    return call;
}

/* Like offload_run(); where that is 0, with the call's errno. */
static int message_wait(struct hub *hub, const char *name, struct message_job *call)
{
    int saved = errno, status = offload_run(hub, name, &call->job);

    if (status != 0)
        return status;
    call->taken_over = true;
    errno = call->result == -1 ? call->error : saved;
    return 0;
}

/* A first try costs no worker, and finds what is wrong with the arguments. */
IN_HUB ssize_t receive(struct hub *hub, int queue, void *message, size_t size, long type, int flags)
{
    int saved = errno, status;
    ssize_t result = msgrcv(queue, message, size, type, flags | IPC_NOWAIT);
    struct message_job *call;

    if (result != -1 || errno != ENOMSG)
        return result;
    errno = saved;
    CANCELLATION_POINT(hub);
    call = message_create(queue, size, flags);
    if (call == NULL)
        return -1;
    call->wanted = type;
    status = message_wait(hub, "msgrcv", call);
    if (status != 0)
        return status == 1 ? msgrcv(queue, message, size, type, flags) : -1;
    result = call->result;
    if (result >= 0)
        memcpy(message, &call->message, sizeof call->message.type + (size_t)result);
    message_destroy(&call->job);
    return result;
}

ssize_t greenify_msgrcv(int queue, void *message, size_t size, long type, int flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & IPC_NOWAIT) != 0)
        return msgrcv(queue, message, size, type, flags);
    return receive(hub, queue, message, size, type, flags);
}

IN_HUB int send_message(struct hub *hub, int queue, const void *message, size_t size, int flags)
{
    int saved = errno, status, result = msgsnd(queue, message, size, flags | IPC_NOWAIT);
    struct message_job *call;

    if (result == 0 || errno != EAGAIN)
        return result;
    errno = saved;
    CANCELLATION_POINT(hub);
    call = message_create(queue, size, flags);
    if (call == NULL)
        return -1;
    call->sends = true;
    memcpy(&call->message, message, sizeof call->message.type + size);
    status = message_wait(hub, "msgsnd", call);
    if (status != 0)
        return status == 1 ? msgsnd(queue, message, size, flags) : -1;
    result = (int)call->result;
    message_destroy(&call->job);
    return result;
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
    CANCELLATION_POINT(hub);
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

/* SPDX-License-Identifier: MIT
 *
 * Hooks of file locks, tried first, and then waited for on a worker: there the kernel keeps the
 * order, finds deadlocks between processes, and ends the wait when a signal says so.
 */
#include "hook_inside.h"
#include "hub.h"
#include "incarnation.h"
#include "offload.h"
#include "record_lock.h"
#include "thread/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>

/* A lock that came too late, after its caller was told that it did not come, is given back. */
struct lock_job {
    struct job job;
    int fd;
    unsigned incarnation;
    int (*lock)(struct lock_job *call);
    void (*unlock)(struct lock_job *call);
    int command; /* of fcntl() or flock() */
    struct flock range;
    bool taken_over;
    int result, error;
};

static void lock_run(struct job *job)
{
    struct lock_job *call = (struct lock_job *)job;

    call->result = -1;
    errno = EBADF; /* closed, and perhaps in use again, before a worker came to the job */
    if (incarnation_life(call->fd) != call->incarnation)
        goto out;
    errno = 0;
    call->result = call->lock(call);
out:
    call->error = errno;
    job->stopped = call->result == -1 && call->error == EINTR;
}

static void lock_destroy(struct job *job)
{
    struct lock_job *call = (struct lock_job *)job;

    if (!call->taken_over && call->result == 0)
        call->unlock(call);
    free(call);
}

static struct lock_job *lock_create(int fd, int command)
{
    struct lock_job *call = calloc(1, sizeof *call);

    if (call == NULL)
        return NULL;
    call->job = (struct job){.run = lock_run, .destroy = lock_destroy, .kind = JOB_STOPPABLE};
    call->fd = fd;
    call->incarnation = incarnation_life(fd);
    call->command = command;
    call->result = -1;
    return call;
}

/* *blocks: the call has to block for real. */
static int lock_wait(struct hub *hub, const char *name, struct lock_job *call, bool *blocks)
{
    int saved = errno, status, result;

    *blocks = false;
    status = offload_run(hub, name, &call->job);
    *blocks = status == 1;
    if (status != 0)
        return -1;
    call->taken_over = true;
    result = call->result;
    errno = result == -1 ? call->error : saved;
    lock_destroy(&call->job);
    return result;
}

/* --- flock ------------------------------------------------------------------------------------ */

static int lock_file(struct lock_job *call)
{
    return flock(call->fd, call->command);
}

static void unlock_file(struct lock_job *call)
{
    (void)flock(call->fd, LOCK_UN);
}

IN_HUB int flock_in_hub(struct hub *hub, int fd, int operation)
{
    int saved = errno, result = flock(fd, operation | LOCK_NB);
    struct lock_job *call;
    bool blocks;

    if (result == 0 || errno != EWOULDBLOCK)
        return result;
    CANCELLATION_POINT(hub);
    call = lock_create(fd, operation);
    if (call == NULL)
        return -1;
    call->lock = lock_file;
    call->unlock = unlock_file;
    errno = saved;
    result = lock_wait(hub, "flock", call, &blocks);
    return blocks ? flock(fd, operation) : result;
}

int greenify_flock(int fd, int operation)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (operation & LOCK_NB) != 0)
        return flock(fd, operation);
    return flock_in_hub(hub, fd, operation);
}

/* --- record locks ----------------------------------------------------------------------------- */

static int lock_range(struct lock_job *call)
{
    return fcntl(call->fd, call->command, &call->range);
}

static void unlock_range(struct lock_job *call)
{
    call->range.l_type = F_UNLCK;
    (void)fcntl(call->fd, call->command, &call->range);
}

static int lock_record(struct hub *hub, const char *name, int fd, int command,
                       const struct flock *range, bool *blocks)
{
    struct lock_job *call = lock_create(fd, command);

    *blocks = false;
    if (call == NULL)
        return -1;
    call->lock = lock_range;
    call->unlock = unlock_range;
    call->range = *range;
    return lock_wait(hub, name, call, blocks);
}

int record_lock_wait(struct hub *hub, int fd, int command, struct flock *range)
{
    int at_once = command == F_SETLKW ? F_SETLK : F_OFD_SETLK;
    int saved = errno, result = fcntl(fd, at_once, range);
    bool blocks;

    if (result == 0 || (errno != EAGAIN && errno != EACCES))
        return result;
    errno = saved;
    result = lock_record(hub, "fcntl", fd, command, range, &blocks);
    return blocks ? fcntl(fd, command, range) : result;
}

/* lockf() is a record lock from the current position (lockf(3)). */
int greenify_lockf(int fd, int operation, off_t length)
{
    struct hub *hub = hub_current();
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 0, .l_len = length};

    if (hub == NULL || operation != F_LOCK)
        return lockf(fd, operation, length);
    CANCELLATION_POINT(hub);
    return record_lock_wait(hub, fd, F_SETLKW, &range);
}

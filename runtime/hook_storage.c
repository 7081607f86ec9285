/* SPDX-License-Identifier: MIT
 *
 * Hooks of the calls that wait for a disk, and of reading and writing at a position: they run on a
 * worker. What they need is copied: the caller may be gone before they end.
 */
#include "hook.h"
#include "hub.h"
#include "incarnation.h"
#include "offload.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The descriptor may be closed, and its number be in use again, before a worker comes to the job.
 */
static bool is_still(int fd, unsigned incarnation)
{
    if (incarnation_of(fd) == incarnation)
        return true;
    errno = EBADF;
    return false;
}

/* --- whole files ------------------------------------------------------------------------------ */

/* The words of a job: descriptor, incarnation. */
static long run_fsync(const long *words)
{
    return is_still((int)words[0], (unsigned)words[1]) ? fsync((int)words[0]) : -1;
}

static long run_fdatasync(const long *words)
{
    return is_still((int)words[0], (unsigned)words[1]) ? fdatasync((int)words[0]) : -1;
}

static long run_syncfs(const long *words)
{
    return is_still((int)words[0], (unsigned)words[1]) ? syncfs((int)words[0]) : -1;
}

/* false: the caller has to make the call itself. */
static bool on_worker(const char *name, offload_function *function, int fd, int *result)
{
    struct hub *hub = hub_current();
    const long words[OFFLOAD_WORDS] = {fd, hub != NULL ? (long)incarnation_of(fd) : 0};
    bool blocks;

    if (hub == NULL)
        return false;
    *result = (int)offload_call(hub, name, function, words, false, &blocks);
    return !blocks;
}

int greenify_fsync(int fd)
{
    int result;

    return on_worker("fsync", run_fsync, fd, &result) ? result : fsync(fd);
}

int greenify_fdatasync(int fd)
{
    int result;

    return on_worker("fdatasync", run_fdatasync, fd, &result) ? result : fdatasync(fd);
}

int greenify_syncfs(int fd)
{
    int result;

    return on_worker("syncfs", run_syncfs, fd, &result) ? result : syncfs(fd);
}

/* --- reading and writing at a position -------------------------------------------------------- */

/* The data passes through the job: the caller's buffer may be on a stack that others use meanwhile.
 */
struct transfer_job {
    struct job job;
    int fd;
    unsigned incarnation;
    bool writes;
    off_t position;
    size_t size;
    ssize_t result;
    int error;
    char data[];
};

static void transfer_run(struct job *job)
{
    struct transfer_job *call = (struct transfer_job *)job;

    errno = 0;
    call->result = -1;
    if (is_still(call->fd, call->incarnation))
        call->result = call->writes ? pwrite(call->fd, call->data, call->size, call->position)
                                    : pread(call->fd, call->data, call->size, call->position);
    call->error = errno;
}

static void transfer_destroy(struct job *job)
{
    free(job);
}

static struct transfer_job *transfer_create(int fd, size_t size, off_t position)
{
    struct transfer_job *call = malloc(sizeof *call + size);

    if (call == NULL)
        return NULL;
    *call = (struct transfer_job){
        .job = {.run = transfer_run, .destroy = transfer_destroy},
        .fd = fd,
        .incarnation = incarnation_of(fd),
        .size = size,
        .position = position,
    };
    return call;
}

/* What the call returns, once the job has run; what it read goes to `buffer` (NULL: it wrote). */
static ssize_t transfer_finish(struct transfer_job *call, void *buffer, int saved_errno)
{
    ssize_t result = call->result;

    errno = result == -1 ? call->error : saved_errno;
    if (result > 0 && buffer != NULL)
        memcpy(buffer, call->data, (size_t)result);
    free(call);
    return result;
}

/* Beyond this the copy costs more than the wait may save, and memory as much again. */
enum { TRANSFER_MOST = 1 << 20 };

static bool is_offloaded(const struct hub *hub, size_t size)
{
    return hub != NULL && size > 0 && size <= TRANSFER_MOST;
}

ssize_t greenify_pread(int fd, void *buffer, size_t size, off_t position)
{
    struct hub *hub = hub_current();
    struct transfer_job *call =
        is_offloaded(hub, size) ? transfer_create(fd, size, position) : NULL;
    int saved = errno, status;

    if (call == NULL)
        return pread(fd, buffer, size, position);
    status = offload_run(hub, "pread", &call->job);
    if (status != 0)
        return status == 1 ? pread(fd, buffer, size, position) : -1;
    return transfer_finish(call, buffer, saved);
}
HOOK_SAME(pread64, pread);

ssize_t greenify_pwrite(int fd, const void *buffer, size_t size, off_t position)
{
    struct hub *hub = hub_current();
    struct transfer_job *call =
        is_offloaded(hub, size) ? transfer_create(fd, size, position) : NULL;
    int saved = errno, status;

    if (call == NULL)
        return pwrite(fd, buffer, size, position);
    call->writes = true;
    memcpy(call->data, buffer, size);
    status = offload_run(hub, "pwrite", &call->job);
    if (status != 0)
        return status == 1 ? pwrite(fd, buffer, size, position) : -1;
    return transfer_finish(call, NULL, saved);
}
HOOK_SAME(pwrite64, pwrite);

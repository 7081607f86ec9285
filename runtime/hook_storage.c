/* SPDX-License-Identifier: MIT
 *
 * Hooks of the calls that wait for a disk, and of reading and writing at a position: they run on a
 * worker. What they need is copied: the caller may be gone before they end.
 */
#include "fortify.h"
#include "hook_inside.h"
#include "hub.h"
#include "incarnation.h"
#include "offload.h"
#include "pointer.h"
#include "thread/cancel.h"
#include "vector.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

/* The descriptor may be closed, and its number be in use again, before a worker comes to the job.
 */
static bool is_still(int fd, unsigned incarnation)
{
    if (incarnation_life(fd) == incarnation)
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
    const long words[OFFLOAD_WORDS] = {fd, hub != NULL ? (long)incarnation_life(fd) : 0};
    bool blocks;

    if (hub == NULL)
        return false;
    CANCELLATION_POINT(hub);
    *result = (int)offload_call(hub, name, function, words, JOB_SHORT, &blocks);
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

static long run_allocate(const long *words)
{
    if (!is_still((int)words[0], (unsigned)words[1]))
        return EBADF;
    return posix_fallocate((int)words[0], words[2], words[3]);
}

/* The only one that returns its error. */
int greenify_posix_fallocate(int fd, off_t position, off_t size)
{
    struct hub *hub = hub_current();
    const long words[OFFLOAD_WORDS] = {fd, hub != NULL ? (long)incarnation_life(fd) : 0, position,
                                       size};
    int saved = errno, result;
    bool blocks;

    if (hub == NULL)
        return posix_fallocate(fd, position, size);
    CANCELLATION_POINT(hub);
    result = (int)offload_call(hub, "posix_fallocate", run_allocate, words, JOB_SHORT, &blocks);
    if (blocks)
        return posix_fallocate(fd, position, size);
    if (result == -1)
        result = errno;
    errno = saved;
    return result;
}

static long run_msync(const long *words)
{
    return msync((void *)words[0], (size_t)words[1], (int)words[2]);
}

int greenify_msync(void *start, size_t size, int flags)
{
    struct hub *hub = hub_current();
    const long words[OFFLOAD_WORDS] = {(long)start, (long)size, flags};
    bool blocks;
    int result;

    if (hub == NULL || (flags & MS_SYNC) == 0)
        return msync(start, size, flags);
    CANCELLATION_POINT(hub);
    result = (int)offload_call(hub, "msync", run_msync, words, JOB_SHORT, &blocks);
    return blocks ? msync(start, size, flags) : result;
}

static long run_sync(const long *words)
{
    (void)words;
    sync();
    return 0;
}

/* It cannot fail: an error that ends the wait is the next call's. */
void greenify_sync(void)
{
    struct hub *hub = hub_current();
    const long words[OFFLOAD_WORDS] = {0};
    int saved = errno;
    bool blocks = true;

    if (hub != NULL && offload_call(hub, "sync", run_sync, words, JOB_SHORT, &blocks) != 0 &&
        !blocks)
        hub_defer(hub, errno);
    errno = saved;
    if (blocks)
        sync();
}

/* --- reading and writing at a position -------------------------------------------------------- */

/* The data passes through the job: the caller's buffer may be on a stack that others use meanwhile.
 * It stands where the caller's does in a page, as O_DIRECT may ask for. */
enum { PAGE = 4096 };

struct transfer_job {
    struct job job;
    int fd;
    unsigned incarnation;
    bool writes;
    off_t position;
    size_t size;
    ssize_t result;
    int error;
    char *data;
    char room[];
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

static struct transfer_job *transfer_create(int fd, const void *buffer, size_t size, off_t position,
                                            bool writes)
{
    struct transfer_job *call = malloc(sizeof *call + PAGE - 1 + size);

    if (call == NULL)
        return NULL;
    *call = (struct transfer_job){
        .job = {.run = transfer_run, .destroy = transfer_destroy},
        .fd = fd,
        .incarnation = incarnation_life(fd),
        .writes = writes,
        .size = size,
        .position = position,
        .data = call->room + (((uintptr_t)buffer - (uintptr_t)call->room) & (PAGE - 1)),
    };
    return call;
}

/* The caller's buffers to the job's one, or back. */
static void gather(char *data, const struct iovec *iov, int count)
{
    for (int i = 0; i < count; i++)
        data = mempcpy(data, iov[i].iov_base, iov[i].iov_len);
}

static void scatter(const struct iovec *iov, const char *data, size_t size)
{
    for (; size > 0; iov++) {
        size_t part = size < iov->iov_len ? size : iov->iov_len;

        memcpy(iov->iov_base, data, part);
        data += part;
        size -= part;
    }
}

/* 0: the caller has to make the call itself, if only for the kernel to say EFAULT. */
static size_t size_to_transfer(const struct iovec *iov, int count)
{
    if (count <= 0 || count > IOV_MAX || pointer_is_wild(iov))
        return 0;
    for (int i = 0; i < count; i++)
        if (iov[i].iov_len > 0 && pointer_is_wild(iov[i].iov_base))
            return 0;
    return vector_size(iov, (size_t)count);
}

/* Beyond this the copy costs more than the wait may save, and memory as much again. */
enum { TRANSFER_MOST = 1 << 20 };

/* false: the caller has to make the call itself. */
static bool transfer(const char *name, int fd, const struct iovec *iov, int count, off_t position,
                     bool writes, ssize_t *result)
{
    struct hub *hub = hub_current();
    size_t size = hub != NULL ? size_to_transfer(iov, count) : 0;
    struct transfer_job *call;
    int saved = errno, status;

    if (size == 0 || size > TRANSFER_MOST)
        return false;
    CANCELLATION_POINT(hub);
    call = transfer_create(fd, iov[0].iov_base, size, position, writes);
    if (call == NULL)
        return false;
    if (writes)
        gather(call->data, iov, count);
    status = offload_run(hub, name, &call->job);
    *result = -1;
    if (status != 0)
        return status == -1;
    *result = call->result;
    errno = call->result == -1 ? call->error : saved;
    if (!writes && call->result > 0)
        scatter(iov, call->data, (size_t)call->result);
    free(call);
    return true;
}

ssize_t greenify_pread(int fd, void *buffer, size_t size, off_t position)
{
    const struct iovec iov = {buffer, size};
    ssize_t result;

    return transfer("pread", fd, &iov, 1, position, false, &result)
               ? result
               : pread(fd, buffer, size, position);
}

ssize_t greenify___pread_chk(int fd, void *buffer, size_t size, off_t position, size_t room)
{
    return fortify_is_libcs(size, room) ? __pread_chk(fd, buffer, size, position, room)
                                        : greenify_pread(fd, buffer, size, position);
}

ssize_t greenify_preadv(int fd, const struct iovec *iov, int count, off_t position)
{
    ssize_t result;

    return transfer("preadv", fd, iov, count, position, false, &result)
               ? result
               : preadv(fd, iov, count, position);
}

ssize_t greenify_pwrite(int fd, const void *buffer, size_t size, off_t position)
{
    const struct iovec iov = {(void *)(uintptr_t)buffer, size};
    ssize_t result;

    return transfer("pwrite", fd, &iov, 1, position, true, &result)
               ? result
               : pwrite(fd, buffer, size, position);
}

ssize_t greenify_pwritev(int fd, const struct iovec *iov, int count, off_t position)
{
    ssize_t result;

    return transfer("pwritev", fd, iov, count, position, true, &result)
               ? result
               : pwritev(fd, iov, count, position);
}

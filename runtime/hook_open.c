/* SPDX-License-Identifier: MIT
 *
 * Hooks of opening, for FIFOs: they wait until the other side is opened, too, on a worker, since
 * only the wait itself tells of it. Anything else is opened at once.
 */
#include "hook_inside.h"
#include "hub.h"
#include "incarnation.h"
#include "offload.h"
#include "thread/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* An end that was opened for a caller who is gone is closed. */
struct open_job {
    struct job job;
    int folder, flags;
    unsigned incarnation; /* of the folder */
    mode_t mode;
    int result, error;
    char path[];
};

static void run(struct job *job)
{
    struct open_job *call = (struct open_job *)job;

    errno = EBADF; /* the folder was closed before a worker came to the job */
    if (call->folder == AT_FDCWD || incarnation_life(call->folder) == call->incarnation)
        call->result = openat(call->folder, call->path, call->flags, call->mode);
    call->error = errno;
    job->stopped = call->result == -1 && call->error == EINTR;
}

static void destroy(struct job *job)
{
    struct open_job *call = (struct open_job *)job;

    if (call->result >= 0)
        close(call->result);
    free(call);
}

static struct open_job *create(int folder, const char *path, int flags, mode_t mode)
{
    struct open_job *call = malloc(sizeof *call + strlen(path) + 1);

    if (call == NULL)
        return NULL;
    *call = (struct open_job){
        .job = {.run = run, .destroy = destroy, .kind = JOB_STOPPABLE},
        .folder = folder,
        .flags = flags,
        .incarnation = folder == AT_FDCWD ? 0 : incarnation_life(folder),
        .mode = mode,
        .result = -1,
    };
    strcpy(call->path, path);
    return call;
}

/* fifo(7): what is opened for both reading and writing waits for nobody. */
static bool waits(int folder, const char *path, int flags)
{
    struct stat status;
    int saved = errno;
    bool is_fifo;

    if ((flags & (O_NONBLOCK | O_PATH)) != 0 || (flags & O_ACCMODE) == O_RDWR)
        return false;
    is_fifo =
        fstatat(folder, path, &status, (flags & O_NOFOLLOW) != 0 ? AT_SYMLINK_NOFOLLOW : 0) == 0 &&
        S_ISFIFO(status.st_mode);
    errno = saved;
    return is_fifo;
}

static int open_fifo(struct hub *hub, const char *name, int folder, const char *path, int flags,
                     mode_t mode)
{
    struct open_job *call = create(folder, path, flags, mode);
    int saved = errno, status, result;

    if (call == NULL)
        return -1;
    status = offload_run(hub, name, &call->job);
    if (status == 1)
        return openat(folder, path, flags, mode);
    if (status != 0)
        return -1;
    result = call->result;
    errno = result == -1 ? call->error : saved;
    call->result = -1;
    destroy(&call->job);
    return result;
}

static int open_at(const char *name, int folder, const char *path, int flags, mode_t mode)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return openat(folder, path, flags, mode);
    CANCELLATION_POINT(hub);
    return waits(folder, path, flags) ? open_fifo(hub, name, folder, path, flags, mode)
                                      : openat(folder, path, flags, mode);
}

/* The argument that is there only where a file may be made (open(2)). */
#define MODE(last)                                                                                 \
    ({                                                                                             \
        mode_t mode_ = 0;                                                                          \
                                                                                                   \
        if (((last)&O_CREAT) != 0 || ((last)&O_TMPFILE) == O_TMPFILE) {                            \
            va_list arguments_;                                                                    \
                                                                                                   \
            va_start(arguments_, last);                                                            \
            mode_ = va_arg(arguments_, mode_t);                                                    \
            va_end(arguments_);                                                                    \
        }                                                                                          \
        mode_;                                                                                     \
    })

int greenify_open(const char *path, int flags, ...)
{
    return open_at("open", AT_FDCWD, path, flags, MODE(flags));
}

int greenify_openat(int folder, const char *path, int flags, ...)
{
    return open_at("openat", folder, path, flags, MODE(flags));
}

int greenify_creat(const char *path, mode_t mode)
{
    return hub_current() == NULL
               ? creat(path, mode)
               : open_at("creat", AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

/* libc's checked forms end the program where a mode is missing. */
static bool lacks_mode(int flags)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

int greenify___open_2(const char *path, int flags)
{
    return lacks_mode(flags) ? __open_2(path, flags) : open_at("open", AT_FDCWD, path, flags, 0);
}

int greenify___openat_2(int folder, const char *path, int flags)
{
    return lacks_mode(flags) ? __openat_2(folder, path, flags)
                             : open_at("openat", folder, path, flags, 0);
}

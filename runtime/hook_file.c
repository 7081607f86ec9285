/* SPDX-License-Identifier: MIT
 *
 * Hooks of read and write, on whatever the descriptor is: sockets as recv and send; pipes,
 * FIFOs, terminals, eventfd and the like by a non-blocking try (RWF_NOWAIT, or poll where the
 * kernel has no such form for them); regular files straight through.
 */
#include "at_once.h"
#include "blocking.h"
#include "fortify.h"
#include "hook_inside.h"
#include "hub.h"
#include "pointer.h"
#include "thread/cancel.h"
#include "transfer.h"
#include "vector.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

/* How much a terminal that poll(2) calls writable takes at the least (WAKEUP_CHARS in Linux). */
enum { TERMINAL_ROOM = 256 };

struct file {
    mode_t kind; /* S_IFIFO, S_IFCHR; 0: an anonymous inode */
    bool waits;  /* false: a regular file, folder or disk */
};

static struct file file_examine(int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return (struct file){.waits = false};
    return (struct file){
        .kind = status.st_mode & S_IFMT,
        .waits = !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISBLK(status.st_mode),
    };
}

/* Sizes that never wait, and that read(2) and recv(2) do not take alike: nothing, and more than
 * there are addresses. */
static bool is_libcs(size_t size)
{
    return size == 0 || size > (size_t)1 << 46;
}

static bool is_vector_libcs(const struct iovec *iov, int count)
{
    return count <= 0 || count > IOV_MAX ||
           (!pointer_is_wild(iov) && vector_size(iov, (size_t)count) == 0);
}

static bool has_no_such_form(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS;
}

/* EAGAIN, unless poll says that the call will not wait. */
static int check_ready(int fd, short events)
{
    struct pollfd state = {.fd = fd, .events = events};

    if (poll(&state, 1, 0) != 0)
        return 0;
    errno = EAGAIN;
    return -1;
}

/* --- reading ---------------------------------------------------------------------------------- */

static ssize_t read_at_once(int fd, const struct iovec *iov, int count)
{
    ssize_t done = preadv2(fd, iov, count, -1, RWF_NOWAIT);

    if (done >= 0 || !has_no_such_form(errno))
        return done;
    return check_ready(fd, POLLIN) == 0 ? readv(fd, iov, count) : -1;
}

static ssize_t read_file(struct blocking *b, const struct iovec *iov, int count)
{
    ssize_t done;

    b->option = 0;
    if (!file_examine(b->fd).waits)
        b->dontwait = 0;
    do
        done = b->dontwait != 0 ? read_at_once(b->fd, iov, count) : readv(b->fd, iov, count);
    while (blocking_retry(b, done));
    if (done >= 0)
        errno = b->saved_errno;
    return done;
}

IN_HUB ssize_t read_in_hub(struct hub *hub, int fd, void *buffer, size_t size)
{
    int saved = errno;
    ssize_t done = transfer_receive(hub, "read", fd, buffer, size, 0);

    if (done < 0 && errno == ENOTSOCK) {
        struct blocking b = blocking_after_try(hub, "read", fd, POLLIN, 0, saved);
        struct iovec iov = {buffer, size};

        CANCELLATION_POINT(hub);
        return read_file(&b, &iov, 1);
    }
    return done;
}

ssize_t greenify_read(int fd, void *buffer, size_t size)
{
    struct hub *hub = hub_current();

    if (hub == NULL || is_libcs(size))
        return read(fd, buffer, size);
    return read_in_hub(hub, fd, buffer, size);
}

ssize_t greenify___read_chk(int fd, void *buffer, size_t size, size_t room)
{
    if (fortify_is_libcs(size, room))
        return __read_chk(fd, buffer, size, room);
    return greenify_read(fd, buffer, size);
}

IN_HUB ssize_t readv_in_hub(struct hub *hub, int fd, const struct iovec *iov, int count)
{
    struct blocking b;
    ssize_t done;

    CANCELLATION_POINT(hub);
    b = blocking_begin(hub, "readv", fd, POLLIN, SO_RCVTIMEO);
    do {
        struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};

        done = recvmsg(fd, &message, b.dontwait);
    } while (blocking_retry(&b, done));
    if (done < 0 && errno == ENOTSOCK)
        return read_file(&b, iov, count);
    return done;
}

ssize_t greenify_readv(int fd, const struct iovec *iov, int count)
{
    struct hub *hub = hub_current();

    if (hub == NULL || is_vector_libcs(iov, count))
        return readv(fd, iov, count);
    return readv_in_hub(hub, fd, iov, count);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What a descriptor that poll calls writable takes without waiting. */
static size_t room_when_ready(const struct file *file)
{
    if (S_ISFIFO(file->kind))
        return PIPE_BUF;
    return S_ISCHR(file->kind) ? TERMINAL_ROOM : SIZE_MAX;
}

/* An eventfd that is nearly full is writable to poll, and takes less than it is to take. */
static ssize_t write_nonblocking(int fd, const struct vector *rest)
{
    struct at_once at_once = at_once_begin(fd);
    ssize_t done = writev(fd, rest->iov, (int)rest->count);

    at_once_end(&at_once);
    return done;
}

static ssize_t write_at_once(int fd, const struct vector *rest, const struct file *file)
{
    ssize_t done = pwritev2(fd, rest->iov, (int)rest->count, -1, RWF_NOWAIT);
    struct iovec part = rest->iov[0];

    if (done >= 0 || !has_no_such_form(errno))
        return done;
    if (check_ready(fd, POLLOUT) != 0)
        return -1;
    if (file->kind == 0)
        return write_nonblocking(fd, rest);
    if (vector_size(rest->iov, rest->count) <= room_when_ready(file))
        return writev(fd, rest->iov, (int)rest->count);
    if (part.iov_len > room_when_ready(file))
        part.iov_len = room_when_ready(file);
    return write(fd, part.iov_base, part.iov_len);
}

/* Goes on after `done` bytes. */
static ssize_t write_rest(struct blocking *b, struct vector *rest, const struct file *file,
                          size_t done)
{
    size_t size = done + vector_size(rest->iov, rest->count);
    ssize_t written = 0;

    while (done < size) {
        if (done > 0 && blocking_progress(b) != 0)
            break;
        do
            written = b->dontwait != 0 ? write_at_once(b->fd, rest, file)
                                       : writev(b->fd, rest->iov, (int)rest->count);
        while (blocking_retry(b, written));
        if (written < 0)
            break;
        done += (size_t)written;
        vector_advance(rest, (size_t)written);
    }
    if (written < 0 && done == 0)
        return -1;
    errno = b->saved_errno;
    return (ssize_t)done;
}

static ssize_t write_file(struct blocking *b, const struct iovec *iov, int count)
{
    struct file file = file_examine(b->fd);
    struct vector rest;
    ssize_t done;

    b->option = 0;
    errno = b->saved_errno;
    if (!file.waits)
        return writev(b->fd, iov, count);
    done = pwritev2(b->fd, iov, count, -1, RWF_NOWAIT); /* the kernel is the one to say EFAULT */
    if (done < 0 && errno != EAGAIN && !has_no_such_form(errno))
        return -1;
    if (done < 0)
        done = 0;
    if (vector_init(&rest, iov, (size_t)count) != 0)
        return done > 0 ? done : -1;
    vector_advance(&rest, (size_t)done);
    done = write_rest(b, &rest, &file, (size_t)done);
    vector_finish(&rest);
    return done;
}

IN_HUB ssize_t writev_in_hub(struct hub *hub, int fd, const struct iovec *iov, int count)
{
    struct blocking b = blocking_begin(hub, "writev", fd, POLLOUT, SO_SNDTIMEO);
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
    ssize_t done = transfer_send(&b, &message, 0);

    return done < 0 && errno == ENOTSOCK ? write_file(&b, iov, count) : done;
}

IN_HUB ssize_t write_in_hub(struct hub *hub, int fd, const void *buffer, size_t size)
{
    int saved = errno;
    ssize_t done = transfer_send_bytes(hub, "write", fd, buffer, size, 0);

    if (done < 0 && errno == ENOTSOCK) {
        struct blocking b = blocking_after_try(hub, "write", fd, POLLOUT, 0, saved);
        struct iovec iov = {(void *)buffer, size};

        b.life = blocking_life(hub, fd);
        CANCELLATION_POINT(hub);
        return write_file(&b, &iov, 1);
    }
    return done;
}

ssize_t greenify_write(int fd, const void *buffer, size_t size)
{
    struct hub *hub = hub_current();

    if (hub == NULL || is_libcs(size))
        return write(fd, buffer, size);
    return write_in_hub(hub, fd, buffer, size);
}

ssize_t greenify_writev(int fd, const struct iovec *iov, int count)
{
    struct hub *hub = hub_current();

    if (hub == NULL || is_vector_libcs(iov, count))
        return writev(fd, iov, count);
    CANCELLATION_POINT(hub);
    return writev_in_hub(hub, fd, iov, count);
}

/* --- forms with a position and flags ---------------------------------------------------------- */

/* Position -1 is that of the descriptor: then they are readv() and writev(). With a position of its
 * own the descriptor is a file, and with flags the caller has decided about waiting. */
ssize_t greenify_preadv2(int fd, const struct iovec *iov, int count, off_t position, int flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || position != -1 || flags != 0 || is_vector_libcs(iov, count))
        return preadv2(fd, iov, count, position, flags);
    return readv_in_hub(hub, fd, iov, count);
}

ssize_t greenify_pwritev2(int fd, const struct iovec *iov, int count, off_t position, int flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || position != -1 || flags != 0 || is_vector_libcs(iov, count))
        return pwritev2(fd, iov, count, position, flags);
    return writev_in_hub(hub, fd, iov, count);
}

/* --- eventfd ---------------------------------------------------------------------------------- */

int greenify_eventfd_read(int fd, eventfd_t *value)
{
    return greenify_read(fd, value, sizeof *value) == sizeof *value ? 0 : -1;
}

int greenify_eventfd_write(int fd, eventfd_t value)
{
    return greenify_write(fd, &value, sizeof value) == sizeof value ? 0 : -1;
}

/* SPDX-License-Identifier: MIT
 *
 * Hooks of the calls that move data between two descriptors: sendfile, splice, tee. Either side can
 * be the one that has to wait.
 */
#include "at_once.h"
#include "blocking.h"
#include "hook_inside.h"
#include "hub.h"
#include "incarnation.h"
#include "thread/cancel.h"
#include "transfer.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* One call and what it needs to be made again. */
struct movement {
    struct hub *hub;
    struct blocking in, out;
    bool waited;
};

static struct movement movement_begin(struct hub *hub, const char *call, int in, int out)
{
    return (struct movement){
        .hub = hub,
        .in = blocking_begin(hub, call, in, POLLIN, SO_RCVTIMEO),
        .out = blocking_begin(hub, call, out, POLLOUT, SO_SNDTIMEO),
    };
}

/* It has to block for real. */
static bool is_real(const struct movement *m)
{
    return m->in.dontwait == 0 || m->out.dontwait == 0;
}

/* After EAGAIN: waits for the side that was not ready. -1 with errno: the call fails with it. */
static int wait_for_either(struct movement *m)
{
    m->waited = true;
    if (blocking_wait(at_once_ready(m->in.fd, POLLIN) ? &m->out : &m->in) != 0)
        return -1;
    if (is_real(m))
        m->in.dontwait = m->out.dontwait = 0;
    return blocking_try(&m->in) != 0 ? -1 : blocking_try(&m->out);
}

static bool retries(struct movement *m, ssize_t result)
{
    blocking_tried(&m->in);
    return result < 0 && errno == EAGAIN && !is_real(m) && wait_for_either(m) == 0;
}

static bool is_a(int fd, mode_t kind)
{
    struct stat status;

    return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == kind;
}

/* What a call has moved in the end, `moved` being the last part's result. */
static ssize_t movement_end(const struct movement *m, ssize_t moved, size_t done)
{
    if (moved < 0 && done == 0)
        return -1;
    errno = m->out.saved_errno;
    return (ssize_t)done;
}

/* Some was moved, and more is to be. The kernel sends a pipe's worth at a time, for each of which
 * SO_SNDTIMEO counts anew. */
static int movement_progress(struct movement *m)
{
    blocking_renew(&m->out);
    return blocking_progress(&m->in) != 0 ? -1 : blocking_progress(&m->out);
}

/* Unlike send() the kernel goes on until there is an error, and so has taken it. */
static bool must_not_send(struct movement *m)
{
    if (!m->waited || !transfer_must_not_send(&m->out, true))
        return false;
    if (m->out.progress)
        transfer_drop_error(m->out.fd);
    return true;
}

/* --- sendfile --------------------------------------------------------------------------------- */

static ssize_t send_once(struct movement *m, off_t *offset, size_t size)
{
    struct at_once out;
    ssize_t sent;

    if (must_not_send(m))
        return -1;
    if (is_real(m))
        return sendfile(m->out.fd, m->in.fd, offset, size);
    out = at_once_begin(m->out.fd);
    sent = sendfile(m->out.fd, m->in.fd, offset, size);
    at_once_end(&out);
    return sent;
}

/* All of it, as a blocking sendfile() does: less only at the end of the file, or with an error
 * after progress; and what there is room for in a pipe. */
IN_HUB ssize_t sendfile_in_hub(struct hub *hub, int out, int in, off_t *offset, size_t size)
{
    struct movement m = movement_begin(hub, "sendfile", in, out);
    size_t done = 0;
    ssize_t sent;

    CANCELLATION_POINT(hub);
    do {
        sent = done > 0 ? movement_progress(&m) : 0;
        if (sent < 0)
            break;
        do
            sent = send_once(&m, offset, size - done);
        while (retries(&m, sent));
        if (sent <= 0)
            break;
        done += (size_t)sent;
    } while (done < size && !is_a(out, S_IFIFO));
    return movement_end(&m, sent, done);
}

ssize_t greenify_sendfile(int out, int in, off_t *offset, size_t size)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return sendfile(out, in, offset, size);
    return sendfile_in_hub(hub, out, in, offset, size);
}

/* --- splice and tee --------------------------------------------------------------------------- */

/* The arguments of splice(2). */
struct splice {
    off64_t *in_offset, *out_offset;
    size_t size;
    unsigned flags;
};

static ssize_t splice_once(struct movement *m, const struct splice *s, size_t size)
{
    struct at_once in, out;
    ssize_t moved;

    if (must_not_send(m))
        return -1;
    if (is_real(m))
        return splice(m->in.fd, s->in_offset, m->out.fd, s->out_offset, size, s->flags);
    in = at_once_begin(m->in.fd);
    out = at_once_begin(m->out.fd);
    moved = splice(m->in.fd, s->in_offset, m->out.fd, s->out_offset, size,
                   s->flags | SPLICE_F_NONBLOCK);
    at_once_end(&out);
    at_once_end(&in);
    return moved;
}

/* What a socket is sent goes as a whole, as far as it is in the pipe already. */
static bool is_more_to_send(const struct movement *m)
{
    int left = 0;

    return is_a(m->out.fd, S_IFSOCK) && ioctl(m->in.fd, FIONREAD, &left) == 0 && left > 0;
}

IN_HUB ssize_t splice_in_hub(struct hub *hub, int in, int out, const struct splice *s)
{
    struct movement m = movement_begin(hub, "splice", in, out);
    size_t done = 0;
    ssize_t moved;

    CANCELLATION_POINT(hub);
    do {
        moved = done > 0 ? movement_progress(&m) : 0;
        if (moved < 0)
            break;
        do
            moved = splice_once(&m, s, s->size - done);
        while (retries(&m, moved));
        if (moved <= 0)
            break;
        done += (size_t)moved;
    } while (done < s->size && is_more_to_send(&m));
    return movement_end(&m, moved, done);
}

ssize_t greenify_splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size,
                        unsigned flags)
{
    const struct splice s = {in_offset, out_offset, size, flags};
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & SPLICE_F_NONBLOCK) != 0)
        return splice(in, in_offset, out, out_offset, size, flags);
    return splice_in_hub(hub, in, out, &s);
}

IN_HUB ssize_t tee_in_hub(struct hub *hub, int in, int out, size_t size, unsigned flags)
{
    struct movement m = movement_begin(hub, "tee", in, out);
    ssize_t copied;

    CANCELLATION_POINT(hub);
    do
        copied = tee(in, out, size, is_real(&m) ? flags : flags | SPLICE_F_NONBLOCK);
    while (retries(&m, copied));
    return movement_end(&m, copied, copied > 0 ? (size_t)copied : 0);
}

ssize_t greenify_tee(int in, int out, size_t size, unsigned flags)
{
    struct hub *hub = hub_current();

    if (hub == NULL || (flags & SPLICE_F_NONBLOCK) != 0)
        return tee(in, out, size, flags);
    return tee_in_hub(hub, in, out, size, flags);
}

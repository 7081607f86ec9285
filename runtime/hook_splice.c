/* SPDX-License-Identifier: MIT
 *
 * Hooks of the calls that move data between two descriptors: sendfile, splice, tee. Either side can
 * be the one that has to wait.
 */
#include "at_once.h"
#include "blocking.h"
#include "hook.h"
#include "hub.h"
#include "incarnation.h"

#include <fcntl.h>

/* One call and what it needs to be made again. */
struct movement {
    struct hub *hub;
    const char *call;
    int in, out;
    bool real;                  /* it has to block for real */
    bool waited;                /* before, for these: */
    unsigned in_life, out_life; /* incarnation.h */
};

static ssize_t wait_for(struct movement *m, int fd, short events)
{
    struct blocking b = blocking_begin(m->hub, m->call, fd, events, 0);
    int failed = blocking_wait(&b);

    m->real = m->real || b.dontwait == 0;
    return failed;
}

/* After EAGAIN: waits for the side that was not ready. -1 with errno: the call fails with it. */
static int wait_for_either(struct movement *m)
{
    if (!at_once_ready(m->in, POLLIN))
        return (int)wait_for(m, m->in, POLLIN);
    return (int)wait_for(m, m->out, POLLOUT);
}

static bool is_over(const struct movement *m)
{
    return m->in_life != incarnation_life(m->in) || m->out_life != incarnation_life(m->out);
}

static bool retries(struct movement *m, ssize_t result)
{
    closings_try_end(m->hub->closings);
    if (result >= 0 || errno != EAGAIN || m->real)
        return false;
    if (!m->waited) {
        m->in_life = incarnation_life(m->in);
        m->out_life = incarnation_life(m->out);
        m->waited = true;
    }
    if (wait_for_either(m) != 0)
        return false;
    if (!is_over(m))
        return true;
    closings_try_end(m->hub->closings);
    errno = EBADF;
    return false;
}

/* --- sendfile --------------------------------------------------------------------------------- */

static ssize_t send_part(const struct movement *m, off_t *offset, size_t size)
{
    struct at_once out;
    ssize_t sent;

    if (m->real)
        return sendfile(m->out, m->in, offset, size);
    out = at_once_begin(m->out);
    sent = sendfile(m->out, m->in, offset, size);
    at_once_end(&out);
    return sent;
}

/* All of it, as a blocking sendfile() does: less only at the end of the file, or with an error
 * after progress. */
ssize_t greenify_sendfile(int out, int in, off_t *offset, size_t size)
{
    struct movement m = {.hub = hub_current(), .call = "sendfile", .in = in, .out = out};
    int saved = errno;
    size_t done = 0;
    ssize_t sent;

    if (m.hub == NULL)
        return sendfile(out, in, offset, size);
    do {
        do
            sent = send_part(&m, offset, size - done);
        while (retries(&m, sent));
        if (sent > 0)
            done += (size_t)sent;
    } while (sent > 0 && done < size);
    if (sent < 0 && done == 0)
        return -1;
    errno = saved;
    return (ssize_t)done;
}
HOOK_SAME(sendfile64, sendfile);

/* --- splice and tee --------------------------------------------------------------------------- */

ssize_t greenify_splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size,
                        unsigned flags)
{
    struct movement m = {.hub = hub_current(), .call = "splice", .in = in, .out = out};
    int saved = errno;
    ssize_t moved;

    if (m.hub == NULL || (flags & SPLICE_F_NONBLOCK) != 0)
        return splice(in, in_offset, out, out_offset, size, flags);
    do {
        struct at_once both[] = {at_once_begin(in), at_once_begin(out)};

        moved = splice(in, in_offset, out, out_offset, size, flags | SPLICE_F_NONBLOCK);
        at_once_end(&both[1]);
        at_once_end(&both[0]);
    } while (retries(&m, moved));
    if (m.real)
        return splice(in, in_offset, out, out_offset, size, flags);
    if (moved >= 0)
        errno = saved;
    return moved;
}

ssize_t greenify_tee(int in, int out, size_t size, unsigned flags)
{
    struct movement m = {.hub = hub_current(), .call = "tee", .in = in, .out = out};
    int saved = errno;
    ssize_t moved;

    if (m.hub == NULL || (flags & SPLICE_F_NONBLOCK) != 0)
        return tee(in, out, size, flags);
    do
        moved = tee(in, out, size, flags | SPLICE_F_NONBLOCK);
    while (retries(&m, moved));
    if (m.real)
        return tee(in, out, size, flags);
    if (moved >= 0)
        errno = saved;
    return moved;
}

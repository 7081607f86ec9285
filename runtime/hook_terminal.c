/* SPDX-License-Identifier: MIT
 *
 * Terminals and serial lines: no event tells that the last byte, or a break, has left, so a worker
 * waits.
 */
#include "hook_inside.h"
#include "hub.h"
#include "incarnation.h"
#include "offload.h"
#include "thread/cancel.h"

#include <errno.h>
#include <stdbool.h>

/* The words of the job: descriptor, incarnation. */
static long drain(const long *words)
{
    int fd = (int)words[0];

    if (incarnation_life(fd) == (unsigned)words[1])
        return tcdrain(fd);
    errno = EBADF;
    return -1;
}

int greenify_tcdrain(int fd)
{
    struct hub *hub = hub_current();
    const long words[OFFLOAD_WORDS] = {fd, hub != NULL ? (long)incarnation_life(fd) : 0};
    bool blocks;
    int result;

    if (hub == NULL)
        return tcdrain(fd);
    CANCELLATION_POINT(hub);
    result = (int)offload_call(hub, "tcdrain", drain, words, JOB_INTERRUPTIBLE, &blocks);
    return blocks ? tcdrain(fd) : result;
}

static bool has_output(int fd)
{
    int saved = errno, queued = 0;

    (void)ioctl(fd, TIOCOUTQ, &queued);
    errno = saved;
    return queued > 0;
}

/* Once all is sent, the new settings wait for nothing. */
int greenify_tcsetattr(int fd, int action, const struct termios *settings)
{
    if (hub_current() != NULL && (action == TCSADRAIN || action == TCSAFLUSH) && has_output(fd) &&
        greenify_tcdrain(fd) != 0)
        return -1;
    return tcsetattr(fd, action, settings);
}

/* The words of the job: descriptor, incarnation, duration. */
static long send_break(const long *words)
{
    int fd = (int)words[0];

    if (incarnation_life(fd) == (unsigned)words[1])
        return tcsendbreak(fd, (int)words[2]);
    errno = EBADF;
    return -1;
}

int greenify_tcsendbreak(int fd, int duration)
{
    struct hub *hub = hub_current();
    const long words[OFFLOAD_WORDS] = {fd, hub != NULL ? (long)incarnation_life(fd) : 0, duration};
    bool blocks;
    int result;

    if (hub == NULL)
        return tcsendbreak(fd, duration);
    result = (int)offload_call(hub, "tcsendbreak", send_break, words, JOB_INTERRUPTIBLE, &blocks);
    return blocks ? tcsendbreak(fd, duration) : result;
}

/* SPDX-License-Identifier: MIT
 *
 * Terminals and serial lines: no event tells that the last byte has left, so a worker waits.
 */
#include "hook.h"
#include "hub.h"
#include "incarnation.h"
#include "offload.h"

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
    result = (int)offload_call(hub, "tcdrain", drain, words, true, &blocks);
    return blocks ? tcdrain(fd) : result;
}

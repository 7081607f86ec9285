/* SPDX-License-Identifier: MIT
 *
 * Waiting for several descriptors at once, with all that poll(2) can ask for.
 */
#ifndef GREEN_POLLSET_H
#define GREEN_POLLSET_H

#include "waiter.h"

#include <poll.h>
#include <signal.h>

/* Suspends until one of the descriptors may have one of its events, or `deadline`. None of them has
 * any now. fd < 0 is passed over. With WAKE_CLOSED the revents of those that were closed are
 * POLLNVAL; with WAKE_READY and WAKE_DEADLINE none was, and where there are any a
 * try is under way (closings.h), to look at them. `mask` (may be NULL) is in force during the wait.
 */
enum wake pollset_park(struct hub *hub, const char *call, struct pollfd *fds, nfds_t count,
                       double deadline, const sigset_t *mask);

#endif

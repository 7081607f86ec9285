/* SPDX-License-Identifier: MIT
 *
 * Calls that have no form that never waits (connect, accept, sendfile, splice): the descriptor is
 * made non-blocking for the time of one system call, and never across a yield, since its flags are
 * shared with other threads, processes and copies.
 */
#ifndef GREEN_AT_ONCE_H
#define GREEN_AT_ONCE_H

#include <stdbool.h>

struct at_once {
    int fd;
    int flags; /* as they were; < 0: nothing to restore */
};

/* Nothing is changed where the program itself made fd non-blocking, or where fd is not open. */
struct at_once at_once_begin(int fd);
void at_once_end(const struct at_once *at_once); /* leaves errno alone */

/* Whether poll(2) sees one of `events` now; errors, hang-ups and what is not open count as ready.
 */
bool at_once_ready(int fd, short events);

#endif

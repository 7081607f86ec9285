/* SPDX-License-Identifier: MIT
 *
 * A list of all coroutines for people to read.
 */
#ifndef GREEN_DUMP_H
#define GREEN_DUMP_H

struct scheduler;

/* Writes `title` and a line for each coroutine to fd. */
void dump_scheduler(const struct scheduler *scheduler, int fd, const char *title);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What the last call of a kind returned to the running flow, for functions that return static data
 * in libc: flows that run meanwhile have their own.
 */
#ifndef GREEN_ANSWERS_H
#define GREEN_ANSWERS_H

struct hub;

enum answer { ANSWER_HOST, ANSWER_USER, ANSWER_GROUP, ANSWER_KINDS };

/* Keeps `memory`, from malloc, until the next of its kind or the end of the flow. -1 with ENOMEM:
 * it was freed. */
int answer_keep(struct hub *hub, enum answer kind, void *memory);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Which meaning of a descriptor number is the current one, and which hubs may wait for it: counts
 * for each number, for the whole process. One goes up when a hooked call gives the number another
 * meaning, in any thread; the other also when one changes what waiting on it means.
 */
#ifndef GREEN_INCARNATION_H
#define GREEN_INCARNATION_H

#include <stdint.h>

/* The current count, that goes up with every change; 0: numbers this high are not counted, or no
 * memory for it. */
unsigned incarnation_of(int fd);

/* The count that goes up only where the number means another file from then on. */
unsigned incarnation_life(int fd);

/* The same, for a hub that begins to wait: incarnation_end() will name it (`hub`: one bit). */
unsigned incarnation_watch(int fd, uint64_t hub);

/* The hub does not wait for fd any more. Its thread only. */
void incarnation_unwatch(int fd, uint64_t hub);

/* Hubs that wait for fd, or did since they last were told of its end. */
uint64_t incarnation_hubs(int fd);

/* The first number from `fd` on that may be counted; -1: there is none. */
int incarnation_next(int fd);

/* fd means something else from now on. Returns incarnation_hubs(). From any thread, and from signal
 * handlers; one load where nobody ever asked for the count. Leaves errno alone. */
uint64_t incarnation_end(int fd);

/* It is the same file, but waiting on it is not what it was. As incarnation_end(). */
void incarnation_change(int fd);

#endif

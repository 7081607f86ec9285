/* SPDX-License-Identifier: MIT
 *
 * Which meaning of a descriptor number is the current one: a count for each number, for the whole
 * process, that goes up when a hooked call gives the number another meaning, or changes what
 * waiting on it means, in any thread.
 */
#ifndef GREEN_INCARNATION_H
#define GREEN_INCARNATION_H

/* The current count; 0: numbers this high are not counted, or no memory for it. */
unsigned incarnation_of(int fd);

/* From any thread; one load where nobody ever asked for the count. Leaves errno alone. */
void incarnation_end(int fd);

#endif

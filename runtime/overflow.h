/* SPDX-License-Identifier: MIT
 *
 * What is said when a coroutine runs out of stack: which one it was, and where. The program then
 * ends as it would have, or its own handler of SIGSEGV has its turn.
 */
#ifndef GREEN_OVERFLOW_H
#define GREEN_OVERFLOW_H

/* Sees to it that this thread can run a handler when a stack is full: an alternate signal stack,
 * where the program has made none. Returns what overflow_forget() takes back at the end of the hub;
 * NULL: nothing, or no memory, and nothing will be said. */
void *overflow_watch(void);
void overflow_forget(void *alternate);

#endif

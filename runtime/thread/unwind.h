/* SPDX-License-Identifier: MIT
 *
 * How a coroutine leaves from the middle of what it called: frame by frame, so that cleanup
 * handlers, C++ destructors and catch (...) run as in a thread of libc's.
 */
#ifndef GREEN_THREAD_UNWIND_H
#define GREEN_THREAD_UNWIND_H

#include <pthread.h>

struct green;

/* pthread_exit(): ends the running coroutine with this result. */
_Noreturn void unwind(struct green *self, void *result);

/* What pthread_cleanup_push() and pthread_cleanup_pop() make of themselves in C: a buffer in the
 * frame of their caller, with a place to jump to. */
void unwind_register(struct green *self, __pthread_unwind_buf_t *buffer);
void unwind_unregister(struct green *self, __pthread_unwind_buf_t *buffer);

/* The handler of `buffer` has run: on to the next. */
_Noreturn void unwind_next(struct green *self, __pthread_unwind_buf_t *buffer);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Waiting for the end of a coroutine as pthread_join() does: in its own thread or in any other,
 * with a hub or without. All return error numbers as libc's, and take a thread that the caller has
 * a reference to.
 */
#ifndef GREEN_THREAD_JOIN_H
#define GREEN_THREAD_JOIN_H

#include "lot.h"

struct hub;
struct thread;

int thread_join(struct hub *hub, const char *call, struct thread *thread, void **value,
                struct until until);
int thread_try_join(struct hub *hub, struct thread *thread, void **value);
int thread_detach(struct thread *thread);

#endif

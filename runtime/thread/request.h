/* SPDX-License-Identifier: MIT
 *
 * What any thread may ask of a coroutine, by a reference to it: to be cancelled, or to have the
 * call that it waits in ended by a signal.
 */
#ifndef GREEN_THREAD_REQUEST_H
#define GREEN_THREAD_REQUEST_H

#include <pthread.h>

struct hub;
struct thread;

/* `hub` is the caller's, or NULL. */
void request_cancel(struct hub *hub, struct thread *thread);

/* A handler ran, or is going to, for this signal, which was sent to the coroutine. */
void request_interrupt(struct hub *hub, struct thread *thread, int number);

/* The same for the own flow of the calling thread, whose handle this may be. */
void request_interrupt_root(struct hub *hub, pthread_t handle, int number);

#endif

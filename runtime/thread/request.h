/* SPDX-License-Identifier: MIT
 *
 * What any thread may ask of a coroutine, by a reference to it: to be cancelled, or to have the
 * call that it waits in ended by a signal.
 */
#ifndef GREEN_THREAD_REQUEST_H
#define GREEN_THREAD_REQUEST_H

struct hub;
struct thread;

/* `hub` is the caller's, or NULL. */
void request_cancel(struct hub *hub, struct thread *thread);

/* A handler ran, or is going to, for this signal, which was sent to the coroutine. */
void request_interrupt(struct hub *hub, struct thread *thread, int number);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A system call that waits, in a thread of ours, and can be ended by another thread: it fails with
 * EINTR. That takes a signal with a handler; the signal is one that the program leaves to its
 * default, and the handler is there only while somebody is being interrupted.
 */
#ifndef GREEN_INTERRUPT_H
#define GREEN_INTERRUPT_H

#include <pthread.h>
#include <stdbool.h>

struct interrupt {
    pthread_t thread; /* that makes the system call */
    int signal;       /* that it lets in; 0: it is not there, or the program uses all signals */
    bool asked;
};

void interrupt_init(struct interrupt *interrupt);

/* Around the system call, in its thread, which blocks all signals. false: it is to be interrupted
 * already. */
bool interrupt_enter(struct interrupt *interrupt);
void interrupt_leave(struct interrupt *interrupt);

/* Asks for the end. A signal that comes before the system call begins has no effect: to be called
 * again until that has ended. false: there is no way. */
bool interrupt_ask(struct interrupt *interrupt);

/* The system call has ended: once for each that was asked for. Where it does not end the handler
 * has to stay. */
void interrupt_over(void);

/* Whether this is the handler. */
bool interrupt_is_handler(void (*handler)(int number));

#endif

/* SPDX-License-Identifier: MIT
 *
 * A coroutine: its record stands at the top of its own stack. The functions of green.h that create,
 * join and kill coroutines are in coroutine.c; who runs when is scheduler.c's business.
 */
#ifndef GREEN_COROUTINE_H
#define GREEN_COROUTINE_H

#include "cacheline.h"
#include "context.h"
#include "exception.h"
#include "green.h"
#include "list.h"
#include "stack.h"
#include "thread/cancel.h"
#include "waiter.h"

#include <pthread.h>
#include <stdbool.h>
#include <unwind.h>

struct hub;
struct key_values;
struct scheduler;
struct thread;

struct green {
    /* What a switch reads and writes is one cache line. */
    struct context context;
    struct green *next; /* in the scheduler's queues */
    struct scheduler *scheduler;
    struct waiter *waiting; /* while parked, and nobody woke it */
    struct exception_state exceptions;
    int saved_errno;
    int pending_error; /* of green_kill(), for the next call that would wait */
    bool ended, detached;

    struct waiter *joiner; /* the call that waits for the end */
    void *(*entry)(void *);
    void *argument;
    void *result;
    void *local; /* host->local() */
    void (*local_destroy)(void *);
    struct thread *thread;     /* what pthread_self() says here; NULL: nobody asked yet */
    struct key_values *values; /* thread-specific data */
    struct cancellation cancellation;
    __pthread_unwind_buf_t *cleanup;    /* innermost buffer of pthread_cleanup_push() */
    struct _Unwind_Exception unwinding; /* while it leaves */
    struct stack stack;                 /* base NULL: the thread's own */
    struct list all;                    /* every coroutine of the scheduler */
    void *fake_stack;                   /* AddressSanitizer's */
    const void *asan_base;
    size_t asan_size;
    void *tsan_flow; /* ThreadSanitizer's */
    char name[32];
    _Alignas(CACHE_LINE) struct waiter own_waiter; /* on the page that is in use anyway */
};

/* Starts a coroutine of a native hub on a stack that goes back to the pool when it ends. */
struct green *coroutine_start(struct hub *hub, const struct stack *stack, void *(*entry)(void *),
                              void *argument);

/* Ends the running coroutine, wherever it is. */
_Noreturn void coroutine_exit(struct green *self, void *result);

/* What is left to do on another stack, once a coroutine has ended: gives its stack back. */
void coroutine_destroy(struct green *coroutine);

/* Lets everybody else who is ready run, whoever the host is. */
int coroutine_yield(struct hub *hub);

/* The first function on a new stack. */
void coroutine_main(void *coroutine);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A coroutine as patched code sees it that knows threads only: something with a pthread_t. Those
 * that pthread_create() made can be joined, from any thread of the process; to all others belongs a
 * handle as soon as they ask for it. The thread's own flow stays libc's.
 */
#ifndef GREEN_THREAD_THREAD_H
#define GREEN_THREAD_THREAD_H

#include "list.h"
#include "mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct green;
struct hub;

enum { THREAD_NAME_SIZE = 16 }; /* with its end, as in Linux */

struct thread {
    void *target;      /* what the handle points to */
    pthread_t carrier; /* the thread that runs it */
    bool adopted;      /* after a fork: it is the carrier's own flow */

    /* Under the lock. */
    struct list link;    /* in the table, while the handle means something */
    unsigned references; /* the coroutine's, the table's, and of those who are at work here */
    struct hub *hub;     /* NULL: it has ended */
    struct mailbox *mailbox;
    bool detached;
    pthread_t joiner; /* 0: nobody joins it */
    char name[THREAD_NAME_SIZE];

    /* In the hub's own thread. */
    struct green *coroutine; /* NULL: it has ended */

    /* From other threads, for request.c to look at in the hub's. */
    _Atomic uint64_t signals;
    atomic_bool cancel_wanted, mailed;
    struct mail mail;

    void *(*entry)(void *); /* NULL: pthread_create() did not make it */
    void *argument;
    void *result; /* once it has ended */
    void *stack;  /* lowest byte */
    size_t stack_size, guard_size;
    struct mail
        end; /* where the stack was lent: nothing may stand on it any more when others know */
};

/* How many handles mean something. */
extern atomic_size_t thread_count;

/* Of all threads; and, for those who have no hub, that one of them has ended. */
extern pthread_mutex_t thread_lock;
extern pthread_cond_t thread_ended;

/* What the running flow is; NULL: the thread's own flow, or the hub's loop, or there is no memory.
 * Borrowed. */
struct thread *thread_current(struct hub *hub);

/* In the child of a fork by a coroutine: what the calling thread's own flow was. */
extern __thread struct thread *thread_adopted __attribute__((tls_model("initial-exec")));

/* A reference to what the handle stands for, given up by thread_drop(). NULL: none of ours, or no
 * coroutine any more: *handle is the one that libc knows. */
struct thread *thread_find(pthread_t *handle);
void thread_drop(struct thread *thread);

/* With the lock held: nobody finds it any more. The caller has a reference. */
void thread_remove_locked(struct thread *thread);

static inline bool thread_none(void)
{
    return atomic_load_explicit(&thread_count, memory_order_relaxed) == 0;
}

static inline struct thread *thread_take(pthread_t *handle)
{
    return thread_none() ? NULL : thread_find(handle);
}

pthread_t thread_handle(const struct thread *thread);
struct thread *thread_keep(struct thread *thread); /* one more reference */

/* Whether it is alive in this hub; NULL: whether it has ended. */
bool thread_is_of(const struct thread *thread, const struct hub *hub);

/* pthread_self(), for flows of every kind. */
pthread_t thread_self(struct hub *hub);

/* In the child of a fork: the coroutine is the thread's own flow from now on. */
void thread_adopt(const struct green *coroutine);

/* Error numbers as libc's; where no name was set it is that of the thread which made it. */
int thread_set_name(struct hub *hub, struct thread *thread, const char *name);
int thread_get_name(struct hub *hub, struct thread *thread, char *name, size_t size);
bool thread_is_detached(const struct thread *thread);

/* --- life ------------------------------------------------------------------------------------- */

/* What attributes ask for. */
struct thread_wish {
    void *stack;       /* the program's own; NULL: of `stack_size` bytes */
    size_t stack_size; /* usable */
    bool detached;
};

/* Starts a coroutine of this hub, which is a native one. 0, or EAGAIN. */
int thread_start(struct hub *hub, const struct thread_wish *wish, void *(*entry)(void *),
                 void *argument, pthread_t *handle);

/* The running coroutine leaves, with what it holds as a thread. */
void thread_leave(struct green *coroutine);

/* It has ended, but for the switch away from its stack: tells those who join it. */
void thread_ends(struct green *coroutine);

/* It goes with its hub. */
void thread_drop_coroutine(struct green *coroutine);

/* The hub's thread ends: lets those run to their end that pthread_create() made. */
void thread_await_all(struct hub *hub);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Calls that have no non-blocking form run on a worker thread, while the caller's flow is
 * suspended. A job owns everything that it touches: the caller may be gone before it ends.
 */
#ifndef GREEN_OFFLOAD_H
#define GREEN_OFFLOAD_H

#include "interrupt.h"
#include "mailbox.h"

#include <stdbool.h>

struct hub;
struct waiter;

enum job_kind {
    JOB_SHORT, /* may have to wait for a worker */
    JOB_LONG,  /* may wait for long: has a worker beyond the limit of the pool */

    /* The same, and run() makes one system call that a signal ends. It is ended with the caller's
     * wait: by a kill, and by a signal handler without SA_RESTART; or (the second) by any handler.
     */
    JOB_STOPPABLE,
    JOB_INTERRUPTIBLE,
};

/* The head of a job; the rest of it belongs to whoever made it. */
struct job {
    void (*run)(struct job *job);     /* on the worker, with a stack of the system's default size */
    void (*destroy)(struct job *job); /* on any thread, run or not */
    enum job_kind kind;
    bool stopped; /* run() says, or nobody ran it: the system call was ended, with EINTR */

    struct interrupt interrupt;
    struct mail mail;
    struct job *next;
    struct waiter *waiter; /* NULL: the caller has given up */
    bool done;             /* it came back to the hub's thread */
    struct mailbox *mailbox;
};

/* Runs the job and suspends the caller until it has run; the hub's own loop, which cannot be
 * suspended, blocks. 0: it has run, and is the caller's to destroy. -1 with errno: the wait was
 * ended, and so was the job where it can be; else it goes on, and is destroyed when it is through.
 * 1: there is no thread to run it, it was destroyed, and the caller has to make the call itself.
 *
 * A job that was to be stopped and had done its work already has run: its caller is not told of the
 * end of the wait, but a kill ends its next one. */
int offload_run(struct hub *hub, const char *call, struct job *job);

/* The same for a call of up to four words, by value. The result of `function` and its errno; or -1
 * with errno, as above. *blocks: the caller has to block, and make the call itself. */
enum { OFFLOAD_WORDS = 4 };
typedef long offload_function(const long *words);
long offload_call(struct hub *hub, const char *call, offload_function *function,
                  const long words[OFFLOAD_WORDS], enum job_kind kind, bool *blocks);

#endif

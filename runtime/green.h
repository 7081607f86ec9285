/* SPDX-License-Identifier: MIT
 *
 * libgreen: coroutines over one event loop a thread. Calls that a patched library makes (see
 * greenify(1)) suspend the coroutine instead of the thread.
 *
 * Unless said otherwise: functions return 0, or -1 with errno; times are seconds as double; nothing
 * here may be called from a signal handler; a handle belongs to the thread that spawned it.
 */
#ifndef GREEN_H
#define GREEN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* --- coroutines ------------------------------------------------------------------------------- */

typedef struct green green_t;

/* Starts a coroutine that runs entry(argument); it runs when the caller next waits. The first call
 * in a thread makes that thread's hub, and the calling flow its root coroutine. Returns NULL with
 * ENOMEM (no memory, or no mapping left for a stack), EMFILE (no descriptor left for the hub),
 * EINVAL (GREEN_STACK_SIZE cannot be), or ENOTSUP (the thread's hub is a foreign one). */
green_t *green_spawn(void *(*entry)(void *), void *argument);

/* Waits until g has ended, stores what its entry returned (`result` may be NULL), and frees it.
 * timeout < 0: no limit. ETIMEDOUT leaves g as it was, joinable. EDEADLK: g is the caller, or
 * nothing is left that could ever end it. EINVAL: g was joined or detached, or another coroutine
 * joins it. */
int green_join(green_t *g, void **result, double timeout);

/* Frees g as soon as it ends, without a join. EINVAL as for green_join(). */
int green_detach(green_t *g);

/* Makes the call that g waits in fail, once, with `error`; where g does not wait, the next call in
 * which it would. A coroutine that has not begun begins all the same. EINVAL: error <= 0; ESRCH: g
 * has ended. */
int green_kill(green_t *g, int error);

/* The running coroutine, or NULL in a thread without a hub and in a callback of the loop. */
green_t *green_current(void);

/* Lets every other coroutine that is ready run, and the loop look for events: always when nobody
 * else is ready, and otherwise unless it did so some microseconds ago. Without a hub:
 * sched_yield(). */
int green_yield(void);

/* Waits. seconds <= 0 is a green_yield(). Without a hub the thread sleeps. */
int green_sleep(double seconds);

/* Waits until one of the poll(2) events is there; POLLERR, POLLHUP and POLLNVAL always count.
 * Returns the revents, 0 on timeout (timeout < 0: none), or -1. */
int green_wait_fd(int fd, short events, double timeout);

/* A name for dumps, at most 31 bytes are kept. NULL: none. */
int green_set_name(green_t *g, const char *name);

/* Address space of the stacks of coroutines spawned from now on, by any thread, guard page
 * included; rounded up to an odd number of pages. EINVAL: less than 16 KiB or more than 1 GiB.
 * Default 256 KiB, or GREEN_STACK_SIZE. */
int green_set_stack_size(size_t bytes);

/* --- hub -------------------------------------------------------------------------------------- */

struct ev_loop;

/* This thread's libev loop (made, with the hub, when there is none), in which the hub waits from
 * then on: watchers on it run inside the hub, where calls block for real. NULL with ENOMEM, or
 * ENOTSUP under a foreign host. */
struct ev_loop *green_loop(void);

/* How often calls of patched libraries went which way in this thread. */
struct green_hub_stats {
    unsigned long optimistic; /* done at once */
    unsigned long parked;     /* suspended the caller */
    unsigned long blocked;    /* blocked for real: called inside the hub */
    unsigned long offloaded;  /* run by a worker thread */
    unsigned long found;      /* locks that were free without anybody having told of it */
    size_t coroutines;        /* alive now, root included */
    size_t waiting;           /* parked now */
};
int green_hub_stats(struct green_hub_stats *stats); /* ENOENT: no hub in this thread */

/* All coroutines of this thread with name, state and what each waits for, one a line, to fd. */
int green_dump(int fd);

/* --- redirection in memory -------------------------------------------------------------------- */

/* Makes a library that is loaded call the hooks, as greenify(1) does with its file: all slots of
 * the procedure linkage, the global offset table and tables of addresses. `library` is a path, or
 * its last part ("libmysqlclient.so.21"). Returns how many slots were redirected, 0 when there is
 * nothing (more) to do, or -1: ENOENT, no such library is loaded; ENOEXEC, it cannot be read;
 * ENOMEM; EACCES, the system does not let its read-only pages be changed. From any thread. */
int green_patch_loaded(const char *library);

/* Takes back what green_patch_loaded() did. Returns how many slots were restored, or -1 as above.
 */
int green_unpatch_loaded(const char *library);

/* --- a foreign host: somebody else's coroutines and loop ---------------------------------------
 */

/* Lent to the host for as long as one call is parked; never on a stack. */
struct green_parked {
    void *host[4];
};

/* What libgreen asks of the host. All calls come in the thread that attached. */
struct green_host {
    size_t size; /* sizeof(struct green_host) */

    /* Suspends the running context until unpark(p) was called for it. Returns 0 then; an errno
     * value to make the call fail with it, when the host itself ended the wait (an exception was
     * thrown in); or -1 when the running context must not be suspended (it is the host's loop): the
     * call then blocks for real. */
    int (*park)(void *data, struct green_parked *p);

    /* p's context may go on: queue it. Comes from inside green_host_dispatch(), or from another
     * context of the thread; then green_host_fd() is made readable, so that a dispatch follows.
     * Never switches by itself. */
    void (*unpark)(void *data, struct green_parked *p);

    /* Some context is parked now (waiting != 0), or none is any more. May be NULL. */
    void (*waiting)(void *data, int waiting);

    /* Storage of one pointer that belongs to the running context; freed with `destroy` when that
     * ends. Returns the address of the pointer, NULL without memory. May be NULL: one for the
     * thread. */
    void **(*local)(void *data, void (*destroy)(void *));

    /* Any pointer that tells the running context from the thread's others as long as it lives: the
     * owner of the locks that it takes. May be NULL: locks then belong to the thread. */
    void *(*current)(void *data);
};

/* Makes this thread a hub that suspends through `host`. EBUSY: it has a hub already; EINVAL: bad
 * size or a missing operation; ENOMEM. `host` and `data` are borrowed until green_host_detach(). */
int green_host_attach(const struct green_host *host, void *data);
int green_host_detach(void); /* ENOENT: no foreign host here; EBUSY: contexts are still parked */

/* Pollable for reading whenever green_host_dispatch() has work. Owned by the hub. -1 ENOENT. */
int green_host_fd(void);

/* Collects what has become ready and unparks it; never waits. Returns how many, or -1 ENOENT. */
int green_host_dispatch(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif

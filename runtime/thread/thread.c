/* SPDX-License-Identifier: MIT
 *
 * A table by handle, under one lock: there are calls of these functions when threads begin and end,
 * and few others.
 */
#include "thread.h"

#include "cancel.h"
#include "coroutine.h"
#include "handle.h"
#include "hub.h"
#include "keys.h"
#include "lot.h"
#include "scheduler.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHAINS = 1024 };

pthread_mutex_t thread_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t thread_ended = PTHREAD_COND_INITIALIZER;
static struct list chains[CHAINS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
atomic_size_t thread_count;
__thread struct thread *thread_adopted __attribute__((tls_model("initial-exec")));

/* --- the table -------------------------------------------------------------------------------- */

pthread_t thread_handle(const struct thread *thread)
{
    return handle_of(thread->target);
}

static struct list *chain_of(pthread_t handle)
{
    return &chains[(uint64_t)handle * 0x9e3779b97f4a7c15 >> 54];
}

/* With the lock held, or where nobody else is. */
static void insert(struct thread *thread)
{
    thread->references = 2; /* the table's, and the coroutine's */
    list_append(chain_of(thread_handle(thread)), &thread->link);
    atomic_fetch_add(&thread_count, 1);
}

/* In the child of a fork as well: of the parent's coroutines there is at most the one that it was
 * made by. */
static void reset(void)
{
    pthread_mutex_init(&thread_lock, NULL);
    pthread_cond_init(&thread_ended, NULL);
    for (size_t i = 0; i < CHAINS; i++)
        list_init(&chains[i]);
    atomic_store(&thread_count, 0);
    if (thread_adopted != NULL)
        insert(thread_adopted);
}

static void set_up_process(void)
{
    reset();
    pthread_atfork(NULL, NULL, reset);
}

static void free_thread(struct thread *thread)
{
    if (thread->mailbox != NULL)
        mailbox_release(thread->mailbox);
    free(thread->target);
    free(thread);
}

static void add(struct thread *thread)
{
    pthread_once(&once, set_up_process);
    pthread_mutex_lock(&thread_lock);
    insert(thread);
    pthread_mutex_unlock(&thread_lock);
}

/* With the lock held. Whether the last reference is gone. */
static bool drop_locked(struct thread *thread)
{
    return --thread->references == 0;
}

void thread_remove_locked(struct thread *thread)
{
    if (list_empty(&thread->link))
        return;
    list_remove(&thread->link);
    atomic_fetch_sub(&thread_count, 1);
    (void)drop_locked(thread);
}

struct thread *thread_find(pthread_t *handle)
{
    struct list *chain = chain_of(*handle);
    struct thread *found = NULL;

    pthread_mutex_lock(&thread_lock);
    for (struct list *link = chain->next; link != chain && found == NULL; link = link->next)
        if (thread_handle(list_entry(link, struct thread, link)) == *handle)
            found = list_entry(link, struct thread, link);
    if (found != NULL && found->adopted) {
        *handle = found->carrier;
        found = NULL;
    }
    if (found != NULL)
        found->references++;
    pthread_mutex_unlock(&thread_lock);
    return found;
}

struct thread *thread_keep(struct thread *thread)
{
    pthread_mutex_lock(&thread_lock);
    thread->references++;
    pthread_mutex_unlock(&thread_lock);
    return thread;
}

void thread_drop(struct thread *thread)
{
    bool last;

    pthread_mutex_lock(&thread_lock);
    last = drop_locked(thread);
    pthread_mutex_unlock(&thread_lock);
    if (last)
        free_thread(thread);
}

bool thread_is_of(const struct thread *thread, const struct hub *hub)
{
    bool result;

    pthread_mutex_lock(&thread_lock);
    result = thread->hub == hub;
    pthread_mutex_unlock(&thread_lock);
    return result;
}

/* --- handles ---------------------------------------------------------------------------------- */

static struct thread *thread_create(struct hub *hub)
{
    struct thread *thread = calloc(1, sizeof *thread);

    if (thread == NULL)
        return NULL;
    thread->target = handle_create();
    if (thread->target == NULL) {
        free(thread);
        return NULL;
    }
    list_init(&thread->link);
    thread->hub = hub;
    thread->mailbox = mailbox_reference(hub->mailbox);
    thread->carrier = pthread_self();
    return thread;
}

static void attach(struct thread *thread, struct green *coroutine)
{
    thread->coroutine = coroutine;
    thread->stack = coroutine->stack.base;
    thread->stack_size = coroutine->stack.size;
    thread->guard_size = coroutine->stack.lent ? 0 : (size_t)sysconf(_SC_PAGESIZE);
    coroutine->thread = thread;
}

struct thread *thread_current(struct hub *hub)
{
    struct green *self = scheduler_coroutine(hub->scheduler);
    int saved = errno;

    if (self == NULL || self->thread != NULL)
        return self != NULL ? self->thread : NULL;
    self->thread = thread_create(hub);
    errno = saved;
    if (self->thread == NULL)
        return NULL;
    self->thread->detached = true;
    attach(self->thread, self);
    add(self->thread);
    return self->thread;
}

pthread_t thread_self(struct hub *hub)
{
    const struct thread *self = hub != NULL ? thread_current(hub) : NULL;

    if (self == NULL && (hub == NULL || scheduler_coroutine(hub->scheduler) == NULL))
        self = thread_adopted;
    return self != NULL ? thread_handle(self) : pthread_self();
}

void thread_adopt(const struct green *coroutine)
{
    key_values_hand_over(coroutine->values);
    pthread_setcancelstate(
        coroutine->cancellation.disabled ? PTHREAD_CANCEL_DISABLE : PTHREAD_CANCEL_ENABLE, NULL);
    thread_adopted = coroutine->thread;
    if (thread_adopted != NULL)
        thread_adopted->adopted = true;
}

/* --- names ------------------------------------------------------------------------------------ */

int thread_set_name(struct hub *hub, struct thread *thread, const char *name)
{
    int result = 0;

    if (strlen(name) >= sizeof thread->name)
        return ERANGE;
    pthread_mutex_lock(&thread_lock);
    if (thread->hub == NULL)
        result = ENOENT;
    else if (thread->hub == hub)
        (void)green_set_name(thread->coroutine, name);
    strcpy(thread->name, name);
    pthread_mutex_unlock(&thread_lock);
    return result;
}

/* A coroutine may have been named by green_set_name(), with a longer name. */
int thread_get_name(struct hub *hub, struct thread *thread, char *name, size_t size)
{
    int result = 0;

    if (size < sizeof thread->name)
        return ERANGE;
    pthread_mutex_lock(&thread_lock);
    if (thread->hub == NULL)
        result = ENOENT;
    else if (thread->hub == hub)
        snprintf(thread->name, sizeof thread->name, "%.*s", (int)sizeof thread->name - 1,
                 thread->coroutine->name);
    strcpy(name, thread->name);
    pthread_mutex_unlock(&thread_lock);
    return result == 0 && name[0] == '\0' ? pthread_getname_np(thread->carrier, name, size)
                                          : result;
}

bool thread_is_detached(const struct thread *thread)
{
    bool result;

    pthread_mutex_lock(&thread_lock);
    result = thread->detached;
    pthread_mutex_unlock(&thread_lock);
    return result;
}

/* --- life ------------------------------------------------------------------------------------- */

static void *run(void *argument)
{
    const struct thread *thread = argument;

    return thread->entry(thread->argument);
}

/* libc counts the guard page extra, too. */
static int provide_stack(struct hub *hub, const struct thread_wish *wish, struct stack *stack)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (wish->stack != NULL) {
        stack_lend(wish->stack, wish->stack_size, stack);
        return 0;
    }
    if (wish->stack_size > STACK_SIZE_MOST - page)
        return -1;
    return stack_acquire(&hub->scheduler->stacks, wish->stack_size + page, stack);
}

/* That of the thread needs no copy. */
static void inherit_name(struct green *coroutine, const struct green *maker)
{
    if (maker != NULL)
        (void)green_set_name(coroutine, maker->name);
}

int thread_start(struct hub *hub, const struct thread_wish *wish, void *(*entry)(void *),
                 void *argument, pthread_t *handle)
{
    struct thread *thread = thread_create(hub);
    struct green *coroutine;
    struct stack stack;

    if (thread == NULL)
        return EAGAIN;
    if (provide_stack(hub, wish, &stack) != 0) {
        free_thread(thread);
        return EAGAIN;
    }
    thread->entry = entry;
    thread->argument = argument;
    thread->detached = wish->detached;
    *handle = thread_handle(thread);
    coroutine = coroutine_start(hub, &stack, run, thread);
    coroutine->detached = true; /* its end is told to those who join the thread */
    attach(thread, coroutine);
    add(thread);
    inherit_name(coroutine, scheduler_coroutine(hub->scheduler));
    hub->threads++;
    return 0;
}

/* The destructors may still ask who they are. */
void thread_leave(struct green *coroutine)
{
    cancel_ignore(coroutine);
    key_values_finish(&coroutine->values);
    if (coroutine->thread != NULL)
        coroutine->thread->result = coroutine->result;
}

/* All that wait for one of them look. */
static void tell(const struct thread *thread)
{
    pthread_cond_broadcast(&thread_ended);
    if (!lot_is_empty())
        lot_wake(thread, SIZE_MAX);
}

static void end(struct thread *thread)
{
    struct hub *hub;

    thread->coroutine = NULL;
    pthread_mutex_lock(&thread_lock);
    hub = thread->hub;
    thread->hub = NULL;
    if (thread->detached)
        thread_remove_locked(thread);
    pthread_mutex_unlock(&thread_lock);
    tell(thread);
    if (thread->entry != NULL && --hub->threads == 0 && hub->leaving != NULL)
        waiter_wake(hub->leaving, WAKE_READY);
    thread_drop(thread);
}

/* On another stack. */
static void end_off_stack(struct mail *mail)
{
    struct thread *thread = list_entry(mail, struct thread, end);

    coroutine_destroy(thread->coroutine);
    end(thread);
}

void thread_ends(struct green *coroutine)
{
    struct thread *thread = coroutine->thread;

    if (thread == NULL)
        return;
    coroutine->thread = NULL;
    if (!coroutine->stack.lent) {
        end(thread);
        return;
    }
    coroutine->detached = false; /* end_off_stack() frees it */
    thread->end = (struct mail){.deliver = end_off_stack, .drop = end_off_stack};
    mailbox_post(mailbox_reference(thread->mailbox), &thread->end);
}

void thread_drop_coroutine(struct green *coroutine)
{
    struct thread *thread = coroutine->thread;

    key_values_destroy(coroutine->values);
    coroutine->values = NULL;
    coroutine->thread = NULL;
    if (thread != NULL)
        end(thread);
}

/* Where the thread's own flow is not the running one, somebody ended the thread from elsewhere, and
 * nothing on its stacks can go on. */
void thread_await_all(struct hub *hub)
{
    enum wake cause = WAKE_READY;

    if (hub->scheduler == NULL || hub->scheduler->current != &hub->scheduler->root)
        return;
    while (hub->threads > 0 && (cause == WAKE_READY || cause == WAKE_FAILED)) {
        hub->leaving = waiter_create(hub, "pthread_exit", 0);
        if (hub->leaving == NULL)
            return;
        cause = waiter_park(hub->leaving, (double)INFINITY);
        waiter_destroy(hub->leaving);
        hub->leaving = NULL;
        if (cause == WAKE_FAILED && errno == EDEADLK)
            return;
    }
}

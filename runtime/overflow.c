/* SPDX-License-Identifier: MIT
 *
 * A fault in the guard page below the running coroutine's stack is an overflow; every other fault
 * goes to whoever was to handle it before.
 */
#include "overflow.h"

#include "hub.h"
#include "scheduler.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The unwinder, which libc loads when it is first needed, runs on the alternate stack. */
enum { ALTERNATE_SIZE = 128 * 1024, FRAMES_MOST = 32 };

static struct sigaction before;

/* --- the report ------------------------------------------------------------------------------- */

/* The coroutine whose guard page `address` is in, or NULL. */
static const struct green *overflown(const void *address)
{
    const struct hub *hub = hub_current();
    const struct green *self =
        hub != NULL && hub->scheduler != NULL ? hub->scheduler->current : NULL;
    uintptr_t base, page = (uintptr_t)sysconf(_SC_PAGESIZE);

    if (self == NULL || self->stack.base == NULL)
        return NULL;
    base = (uintptr_t)self->stack.base;
    return (uintptr_t)address < base && (uintptr_t)address >= base - page ? self : NULL;
}

/* Formatting a few numbers into a buffer of our own takes no lock and no memory. */
static void tell(const struct green *g)
{
    void *frames[FRAMES_MOST];
    char line[200];
    int length =
        snprintf(line, sizeof line,
                 "libgreen: stack overflow in %s %p%s%s: all of its %zu KiB are in use; "
                 "GREEN_STACK_SIZE gives more\n",
                 scheduler_in_dispatcher(g->scheduler) ? "the hub" : "coroutine", (const void *)g,
                 g->name[0] != '\0' ? " " : "", g->name, g->stack.size / 1024);

    (void)!write(STDERR_FILENO, line, (size_t)length);
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MOST), STDERR_FILENO);
}

/* --- the handler ------------------------------------------------------------------------------ */

/* As if ours had never been there; the default is to fault again, without us. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    if ((before.sa_flags & SA_SIGINFO) != 0)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)
        signal(number, SIG_DFL);
    else
        before.sa_handler(number);
}

static void handle(int number, siginfo_t *info, void *context)
{
    const struct green *g = info->si_code > 0 ? overflown(info->si_addr) : NULL;
    int saved = errno;

    if (g != NULL)
        tell(g);
    errno = saved;
    pass_on(number, info, context);
    if (info->si_code <= 0 && before.sa_handler == SIG_DFL && (before.sa_flags & SA_SIGINFO) == 0)
        raise(number); /* somebody sent it: nothing faults again */
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, NULL, &before);
    sigaction(SIGSEGV, &action, NULL);
}

/* --- the alternate stack ---------------------------------------------------------------------- */

void *overflow_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    stack_t stack;
    void *memory;

    pthread_once(&once, install);
    if (sigaltstack(NULL, &stack) != 0 || (stack.ss_flags & SS_DISABLE) == 0)
        return NULL;
    memory = mmap(NULL, ALTERNATE_SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    stack = (stack_t){.ss_sp = memory, .ss_size = ALTERNATE_SIZE};
    if (sigaltstack(&stack, NULL) == 0)
        return memory;
    munmap(memory, ALTERNATE_SIZE);
    return NULL;
}

void overflow_forget(void *alternate)
{
    stack_t stack;

    if (alternate == NULL)
        return;
    if (sigaltstack(NULL, &stack) == 0 && stack.ss_sp == alternate) {
        stack = (stack_t){.ss_flags = SS_DISABLE};
        sigaltstack(&stack, NULL);
    }
    munmap(alternate, ALTERNATE_SIZE);
}

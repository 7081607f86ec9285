/* SPDX-License-Identifier: MIT
 *
 * First choice are the signals that are ignored by default: where one comes without its handler,
 * nothing happens.
 */
#include "interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

/* Which signals have our handler, for how many that ask. */
static struct {
    pthread_mutex_t lock; /* of everything here: interrupts are rare */
    unsigned asking;
    bool installed[NSIG];
} handlers = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_signal(int number)
{
    (void)number;
}

bool interrupt_is_handler(void (*handler)(int number))
{
    return handler == on_signal;
}

/* --- signals ---------------------------------------------------------------------------------- */

static bool is_free(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 &&
           (action.sa_handler == SIG_DFL || action.sa_handler == on_signal);
}

/* 0: the program uses all. */
static int choose(void)
{
    static const int ignored[] = {SIGURG, SIGWINCH};

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        if (is_free(ignored[i]))
            return ignored[i];
    for (int number = SIGRTMAX; number >= SIGRTMIN; number--)
        if (is_free(number))
            return number;
    return 0;
}

/* The handler has no SA_RESTART, or the system call would begin again. */
static bool install(int number)
{
    struct sigaction ours = {.sa_handler = on_signal};

    sigemptyset(&ours.sa_mask);
    if (!is_free(number) || sigaction(number, &ours, NULL) != 0)
        return false;
    handlers.installed[number] = true;
    return true;
}

/* What the program has installed meanwhile stays. */
static void uninstall_all(void)
{
    for (int number = 1; number < NSIG; number++) {
        if (handlers.installed[number] && is_free(number))
            (void)signal(number, SIG_DFL);
        handlers.installed[number] = false;
    }
}

/* In the child of a fork nobody asks. */
static void reset(void)
{
    pthread_mutex_init(&handlers.lock, NULL);
    handlers.asking = 0;
    uninstall_all();
}

static void set_up_process(void)
{
    pthread_atfork(NULL, NULL, reset);
}

/* --- one system call -------------------------------------------------------------------------- */

void interrupt_init(struct interrupt *interrupt)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, set_up_process);
    *interrupt = (struct interrupt){.signal = 0};
}

static void let_in(int number, int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(how, &set, NULL);
}

bool interrupt_enter(struct interrupt *interrupt)
{
    bool asked;

    pthread_mutex_lock(&handlers.lock);
    asked = interrupt->asked;
    if (!asked) {
        interrupt->thread = pthread_self();
        interrupt->signal = choose();
        if (interrupt->signal != 0)
            let_in(interrupt->signal, SIG_UNBLOCK);
    }
    pthread_mutex_unlock(&handlers.lock);
    return !asked;
}

/* A signal that came too late must not meet the next system call, nor a time without our handler.
 */
static void drain(int number)
{
    const struct timespec at_once = {0, 0};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    while (sigtimedwait(&set, NULL, &at_once) == number)
        continue;
}

void interrupt_leave(struct interrupt *interrupt)
{
    int saved = errno;

    pthread_mutex_lock(&handlers.lock);
    if (interrupt->signal != 0) {
        let_in(interrupt->signal, SIG_BLOCK);
        drain(interrupt->signal);
    }
    interrupt->signal = 0;
    pthread_mutex_unlock(&handlers.lock);
    errno = saved;
}

bool interrupt_ask(struct interrupt *interrupt)
{
    bool possible = true;

    pthread_mutex_lock(&handlers.lock);
    handlers.asking += !interrupt->asked;
    interrupt->asked = true;
    if (interrupt->signal != 0) /* its thread is still there */
        possible =
            install(interrupt->signal) && pthread_kill(interrupt->thread, interrupt->signal) == 0;
    pthread_mutex_unlock(&handlers.lock);
    return possible;
}

void interrupt_over(void)
{
    int saved = errno;

    pthread_mutex_lock(&handlers.lock);
    if (--handlers.asking == 0)
        uninstall_all();
    pthread_mutex_unlock(&handlers.lock);
    errno = saved;
}

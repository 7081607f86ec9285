/* SPDX-License-Identifier: MIT
 *
 * An interrupted wait does not tell which signal it was; what handlers there are tells what it can
 * have been. A system call a signal number: for waits that were interrupted, not for others.
 */
#include "signals.h"

#include "interrupt.h"

#include <errno.h>
#include <stddef.h>

/* These come from the program's own instructions, never during a wait. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

static bool is_fault(int number)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (faults[i] == number)
            return true;
    return false;
}

struct signal_handlers signal_handlers_survey(void)
{
    struct signal_handlers found = {.any = false};
    int saved = errno;

    sigemptyset(&found.numbers);
    for (int number = 1; number <= SIGRTMAX; number++) {
        struct sigaction action;

        if (is_fault(number) || sigaction(number, NULL, &action) != 0 ||
            ((action.sa_flags & SA_SIGINFO) == 0 &&
             (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN ||
              interrupt_is_handler(action.sa_handler))))
            continue;
        found.any = true;
        sigaddset(&found.numbers, number);
        found.without_restart |= (action.sa_flags & SA_RESTART) == 0;
    }
    errno = saved;
    return found;
}

bool signal_handlers_pass(const struct signal_handlers *handlers, const sigset_t *mask)
{
    for (int number = 1; number <= SIGRTMAX; number++)
        if (sigismember(&handlers->numbers, number) == 1 && sigismember(mask, number) == 0)
            return true;
    return false;
}

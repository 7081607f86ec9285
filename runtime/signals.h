/* SPDX-License-Identifier: MIT
 *
 * What can be known of signals from outside their handlers.
 */
#ifndef GREEN_SIGNALS_H
#define GREEN_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* The handlers that this process has installed, but for those of faults. */
struct signal_handlers {
    bool any;
    bool without_restart; /* one of them lacks SA_RESTART */
    sigset_t numbers;
};

struct signal_handlers signal_handlers_survey(void);

/* Whether `mask` lets one of them run. */
bool signal_handlers_pass(const struct signal_handlers *handlers, const sigset_t *mask);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What can be known of signals from outside their handlers.
 */
#ifndef GREEN_SIGNALS_H
#define GREEN_SIGNALS_H

#include <stdbool.h>

/* The handlers that this process has installed, but for those of faults. */
struct signal_handlers {
    bool any;
    bool without_restart; /* one of them lacks SA_RESTART */
};

struct signal_handlers signal_handlers_survey(void);

#endif

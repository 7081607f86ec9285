/* SPDX-License-Identifier: MIT
 *
 * The C++ runtime keeps the exceptions that are being handled in storage of the thread; each
 * coroutine must have its own. The layout is fixed by the Itanium C++ ABI (__cxa_eh_globals).
 */
#ifndef GREEN_EXCEPTION_H
#define GREEN_EXCEPTION_H

#include <stddef.h>

struct exception_state {
    void *caught;
    unsigned uncaught;
};

/* The running thread's, or NULL while no C++ runtime is loaded. Looks for one, until it is found,
 * whenever one can have been loaded: too slow for a switch, right for a spawn. */
struct exception_state *exception_state_find(void);

#endif

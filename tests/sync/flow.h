/* SPDX-License-Identifier: MIT
 *
 * The same scenario in three programs: threads that call libc (PLAIN), threads without a hub that
 * call the hooks (THREADS), and coroutines of one thread that call the hooks (COROUTINES).
 */
#ifndef TEST_FLOW_H
#define TEST_FLOW_H

#include <stdbool.h>

#if defined(PLAIN)
#define CALL(name) name
#else
#include "hook.h"
#define CALL(name) greenify_##name
#endif

struct flow;

struct flow *flow_start(void *(*entry)(void *), void *argument);
void *flow_join(struct flow *flow);

/* Lets the others come to where they wait. */
void flow_pause(double seconds);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Every call of the hook table as a library makes it: one that is not patched (direct) and one that
 * is (hooked).
 */
#ifndef BENCH_HOOK_CALLS_H
#define BENCH_HOOK_CALLS_H

#include <stddef.h>

/* Each call gets this address for its first two arguments. As a number, in 32 bits, it is 0: that
 * is a key, where one is expected. */
#define HOOK_CALLS_ROOM ((void *)(1UL << 32))
enum { HOOK_CALLS_ROOM_SIZE = 4096 };

struct hook_call {
    const char *name;
    long (*direct)(void), (*hooked)(void);
};

extern const struct hook_call hook_calls[];
extern const size_t hook_calls_count;

/* Two calls one after another: each key that is made is deleted. */
extern const struct hook_call hook_calls_of_keys;

#endif

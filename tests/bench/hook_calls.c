/* SPDX-License-Identifier: MIT
 *
 * A library: what it calls is as far away as libc and libgreen are from any. (A call into another
 * object costs the processor more than one within, and the one or the other is not the hook's.)
 */
#include "hook_calls.h"

typedef long any_function(void *, void *, long, long, long, long);

/* Through a pointer, as a library calls through its table. */
#define HOOK(group, name, what)                                                                    \
    extern any_function libc_##name __asm__(#name);                                                \
    any_function greenify_##name;                                                                  \
    static any_function *volatile name##_pointer = libc_##name;                                    \
    static any_function *volatile name##_hook = greenify_##name;                                   \
    __attribute__((noinline)) static long direct_##name(void);                                     \
    __attribute__((noinline)) static long hooked_##name(void);                                     \
    static long direct_##name(void)                                                                \
    {                                                                                              \
        return name##_pointer(HOOK_CALLS_ROOM, HOOK_CALLS_ROOM, 1, 64, 0, 0);                      \
    }                                                                                              \
    static long hooked_##name(void)                                                                \
    {                                                                                              \
        return name##_hook(HOOK_CALLS_ROOM, HOOK_CALLS_ROOM, 1, 64, 0, 0);                         \
    }
#include "hooks.def"
#undef HOOK

const struct hook_call hook_calls[] = {
#define HOOK(group, name, what) {#name, direct_##name, hooked_##name},
#include "hooks.def"
#undef HOOK
};

const size_t hook_calls_count = sizeof hook_calls / sizeof hook_calls[0];

static long direct_pair(void)
{
    return direct_pthread_key_create() + direct_pthread_key_delete();
}

static long hooked_pair(void)
{
    return hooked_pthread_key_create() + hooked_pthread_key_delete();
}

const struct hook_call hook_calls_of_keys = {"both of a key", direct_pair, hooked_pair};

/* SPDX-License-Identifier: MIT
 *
 * Stands in for libc: every function of the hook table, doing nothing. No header, whose types these
 * would contradict.
 */
#include <stdbool.h>

extern bool hook_stubs_are_used;
bool hook_stubs_are_used;

#define HOOK(group, name, what)                                                                    \
    long name(void);                                                                               \
    long name(void)                                                                                \
    {                                                                                              \
        return 0;                                                                                  \
    }
#include "hooks.def"
#undef HOOK

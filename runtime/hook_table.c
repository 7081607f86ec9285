/* SPDX-License-Identifier: MIT
 *
 * The rows of hooks.def with their functions. Looked up some hundred times when a library is
 * redirected, so a walk will do.
 */
#include "hook_table.h"

#include "hook.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    void (*function)(void);
} rows[] = {
#define HOOK(group, name, what) {#name, (void (*)(void))greenify_##name},
#include "hooks.def"
#undef HOOK
};

void *hook_table_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return *(void **)&rows[i].function;
    return NULL;
}

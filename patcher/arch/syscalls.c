/* SPDX-License-Identifier: MIT
 *
 * A table by name, searched by number: it is asked a few times a file.
 */
#include "arch/syscalls.h"

#include <stddef.h>

enum { NONE = -1 };

static const struct syscall_row rows[] = {
#define SYSCALL(name, waits, x86_64, i386, generic) {#name, waits, {x86_64, i386, generic}},
#include "arch/syscalls.def"
#undef SYSCALL
};

const struct syscall_row *syscalls_find(enum syscall_table table, uint64_t number)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].number[table] >= 0 && (uint64_t)rows[i].number[table] == number)
            return &rows[i];
    return NULL;
}

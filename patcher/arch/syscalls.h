/* SPDX-License-Identifier: MIT
 *
 * The kernel's calls by number (arch/syscalls.def).
 */
#ifndef PATCHER_ARCH_SYSCALLS_H
#define PATCHER_ARCH_SYSCALLS_H

#include <stdint.h>

/* Machines that number their calls alike. */
enum syscall_table { SYSCALLS_X86_64, SYSCALLS_I386, SYSCALLS_GENERIC, SYSCALL_TABLES };

struct syscall_row {
    const char *name;
    const char *waits;              /* "for data"; NULL: it does not */
    int16_t number[SYSCALL_TABLES]; /* -1: the machine has no such call */
};

/* NULL when the number is nobody's. */
const struct syscall_row *syscalls_find(enum syscall_table table, uint64_t number);

#endif

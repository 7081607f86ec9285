/* SPDX-License-Identifier: MIT
 *
 * Capstone, loaded when the first instruction is decoded: its tables take 77,000 relocations, more
 * than everything else that a short run of the command does.
 */
#ifndef PATCHER_CAPSTONE_LIBRARY_H
#define PATCHER_CAPSTONE_LIBRARY_H

#include <capstone/capstone.h>

#include "patcher.h"

#define CAPSTONE_FUNCTIONS(row)                                                                    \
    row(open) row(option) row(close) row(malloc) row(free) row(disasm_iter) row(insn_group)        \
        row(regs_access)

/* capstone.open is cs_open, and so on. Valid after capstone_load() only; never unloaded. */
struct capstone {
#define CAPSTONE_MEMBER(name) __typeof__(&cs_##name) name;
    CAPSTONE_FUNCTIONS(CAPSTONE_MEMBER)
#undef CAPSTONE_MEMBER
};
extern struct capstone capstone;

/* Any number of threads may call it. PATCH_LOAD when the library cannot be loaded. */
PATCH_MUST_CHECK bool capstone_load(struct patch_error *error);

#endif

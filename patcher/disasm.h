/* SPDX-License-Identifier: MIT
 *
 * The only user of capstone: what kind of reference one instruction is.
 */
#ifndef PATCHER_DISASM_H
#define PATCHER_DISASM_H

#include "arch/arch.h"
#include "patcher.h"

struct disasm;

/* The caller owns the result. */
PATCH_MUST_CHECK bool disasm_create(const struct arch *arch, struct disasm **disasm,
                                    struct patch_error *error);
void disasm_destroy(struct disasm *disasm); /* accepts NULL */

/* Decodes one instruction at `address`. Returns its kind by the machine's table of mnemonics, NULL
 * when it is none of those or no instruction at all. */
const char *disasm_kind(struct disasm *disasm, const uint8_t *code, size_t size, uint64_t address);

#endif

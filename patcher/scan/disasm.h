/* SPDX-License-Identifier: MIT
 *
 * The only user of capstone: what kind of reference one instruction is, and what it does to the
 * values in registers.
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

/* Bytes of the instruction, 0 when it is none. The cheapest question. */
size_t disasm_size(struct disasm *disasm, const uint8_t *code, size_t size, uint64_t address);

/* What comes after an instruction. */
enum disasm_flow {
    DISASM_NEXT,
    DISASM_BRANCH, /* to `target`, or on */
    DISASM_JUMP,   /* to `target` */
    DISASM_STOP,   /* nothing that is known: return, jump through a register */
};

/* One instruction: what becomes of the values (arch.h) that are followed. */
struct disasm_step {
    size_t size; /* in bytes */
    enum disasm_flow flow;
    bool padding;   /* does nothing: fills the room between blocks */
    bool forbidden; /* to programs: only the kernel may do it */
    uint64_t target;
    uint64_t lost;      /* a bit for each value that becomes unknown */
    int to;             /* value that is set, or ARCH_NOWHERE, to */
    int from;           /* this one (ARCH_NOWHERE: 0) as it was before, */
    uint64_t keep, add; /* (from & keep) + add; */
    bool loads;         /* or the word at that address */
    int calls;          /* value that is called, or ARCH_NOWHERE */
};

/* Decodes one instruction; false when it is none. */
bool disasm_step(struct disasm *disasm, const uint8_t *code, size_t size, uint64_t address,
                 struct disasm_step *step);

#endif

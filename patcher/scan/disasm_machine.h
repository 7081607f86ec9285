/* SPDX-License-Identifier: MIT
 *
 * Between disasm.c and its two halves: one instruction of capstone's as a step.
 */
#ifndef PATCHER_DISASM_MACHINE_H
#define PATCHER_DISASM_MACHINE_H

#include "scan/capstone_library.h"
#include "scan/disasm.h"

#define DISASM_BIT(value) ((uint64_t)1 << (value))

/* `step` comes with its size, DISASM_NEXT, nowhere and nothing lost. */
typedef void disasm_describe(csh handle, const cs_insn *instruction, struct disasm_step *step);
disasm_describe disasm_x86;
disasm_describe disasm_arm64;

/* Marks as lost what the instruction writes, by `value_of` (capstone's register to a value, or
 * ARCH_NOWHERE). */
void disasm_lose_written(csh handle, const cs_insn *instruction, int (*value_of)(unsigned reg),
                         struct disasm_step *step);

/* `to` becomes a constant, or `from` and a distance. */
void disasm_set(struct disasm_step *step, int to, uint64_t constant);
void disasm_copy(struct disasm_step *step, int to, int from, uint64_t keep, uint64_t add);

/* `to` becomes the word at `from` and a distance. */
void disasm_load(struct disasm_step *step, int to, int from, uint64_t add);

#endif

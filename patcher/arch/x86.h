/* SPDX-License-Identifier: MIT
 *
 * What x86-64 and i386 code have in common: every reference to an import is an opcode and a 32-bit
 * displacement, so that places are found by opcode.
 */
#ifndef PATCHER_ARCH_X86_H
#define PATCHER_ARCH_X86_H

#include "arch/arch.h"

/* What the displacement counts from. */
enum x86_base {
    X86_NEXT,
    /* the next instruction */ X86_ZERO,
    X86_GOT /* a register that holds it */
};

/* The bytes in front of the displacement: (byte & mask) == value for each of `length`. */
struct x86_shape {
    uint8_t length;
    uint8_t mask[3];
    uint8_t value[3];
    enum x86_base base;
    bool slot;
    const char *kind;
};

/* General registers have their numbers in the machine's code. */
enum { X86_AX, X86_CX, X86_DX, X86_BX, X86_SP, X86_BP, X86_SI, X86_DI };

extern const struct arch_mnemonic x86_mnemonics[];

/* As arch_code.next and, by the shapes and the traps of the machine, arch_code.reference. */
size_t x86_next(const struct arch_text *text, size_t at, size_t end);
bool x86_reference(const struct arch_text *text, size_t at, const struct x86_shape *shapes,
                   const struct arch_trap *traps, struct arch_reference *reference);

size_t x86_stub_start(const struct arch_text *text, const struct arch_reference *reference);
bool x86_stub_like(const struct arch_text *text, const struct arch_reference *reference);

#endif

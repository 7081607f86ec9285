/* SPDX-License-Identifier: MIT
 *
 * i386 (System V psABI): relocations have no addends.
 */
#include "arch/x86.h"

#include <elf.h>

static const struct arch_relocation relocations[] = {
    {R_386_JMP_SLOT, "R_386_JMP_SLOT", "JUMP_SLOT"},
    {R_386_GLOB_DAT, "R_386_GLOB_DAT", "GLOB_DAT"},
    {R_386_32, "R_386_32", "ABS32"},
    {R_386_COPY, "R_386_COPY", NULL},
    {R_386_PC32, "R_386_PC32", NULL},
    {R_386_PLT32, "R_386_PLT32", NULL},
    {R_386_GOT32, "R_386_GOT32", NULL},
    {R_386_SIZE32, "R_386_SIZE32", NULL},
    {R_386_TLS_TPOFF, "R_386_TLS_TPOFF", NULL},
    {R_386_TLS_TPOFF32, "R_386_TLS_TPOFF32", NULL},
    {R_386_TLS_DTPMOD32, "R_386_TLS_DTPMOD32", NULL},
    {R_386_TLS_DTPOFF32, "R_386_TLS_DTPOFF32", NULL},
    {R_386_TLS_DESC, "R_386_TLS_DESC", NULL},
    {0, NULL, NULL},
};

/* Position-independent code counts from the global offset table, whose address is in ebx where a
 * stub is called, in any register elsewhere. */
static const struct x86_shape shapes[] = {
    {2, {0xff, 0xff}, {0xff, 0xa3}, X86_GOT, true, "jump"},   /* jmp [ebx + slot] */
    {2, {0xff, 0xff}, {0xff, 0x25}, X86_ZERO, true, "jump"},  /* jmp [slot] */
    {2, {0xff, 0xff}, {0xff, 0x15}, X86_ZERO, true, "call"},  /* call [slot] */
    {2, {0xff, 0xf8}, {0xff, 0x90}, X86_GOT, true, "call"},   /* call [reg + slot] */
    {2, {0xff, 0xf8}, {0xff, 0xa0}, X86_GOT, true, "jump"},   /* jmp [reg + slot] */
    {2, {0xff, 0xc0}, {0x8b, 0x80}, X86_GOT, true, "load"},   /* mov reg, [reg + slot] */
    {2, {0xff, 0xc0}, {0x8d, 0x80}, X86_GOT, false, "load"},  /* lea reg, [reg + stub] */
    {2, {0xff, 0xf0}, {0x0f, 0x80}, X86_NEXT, false, "jump"}, /* jcc stub */
    {1, {0xff}, {0xe8}, X86_NEXT, false, "call"},             /* call stub */
    {1, {0xff}, {0xe9}, X86_NEXT, false, "jump"},             /* jmp stub */
    {0, {0}, {0}, X86_NEXT, false, NULL},
};

static const struct arch_trap traps[] = {
    {{0xcd, 0x80}, 2, "int 0x80", SYSCALLS_I386},
    {{0x0f, 0x34}, 2, "sysenter", SYSCALLS_I386},
    {{0x65, 0xff, 0x15, 0x10, 0x00, 0x00, 0x00}, 7, "call gs:0x10", SYSCALLS_I386}, /* the vdso */
    {{0}, 0, NULL, SYSCALLS_I386},
};

static bool reference(const struct arch_text *text, size_t at, struct arch_reference *out)
{
    return x86_reference(text, at, shapes, traps, out);
}

static const struct arch_code code = {
    .width = 1,
    .next = x86_next,
    .reference = reference,
    .stub_start = x86_stub_start,
    .stub_like = x86_stub_like,
    .mnemonics = x86_mnemonics,
    .number = X86_AX,
    .arguments = {ARCH_TOP, ARCH_NOWHERE},
    .table = SYSCALLS_I386,
};

const struct arch arch_i386 = {
    .machine = EM_386,
    .class = ELFCLASS32,
    .orders = ARCH_ORDER(ELFDATA2LSB),
    .rel = true,
    .hash_entry = 4,
    .name = "i386",
    .relocations = relocations,
    .code = &code,
};

/* SPDX-License-Identifier: MIT
 *
 * x86-64 (System V psABI): every reference to an import ends in a 32-bit displacement from the next
 * instruction.
 */
#include "arch/x86.h"

#include <elf.h>

static const struct arch_relocation relocations[] = {
    {R_X86_64_JUMP_SLOT, "R_X86_64_JUMP_SLOT", "JUMP_SLOT"},
    {R_X86_64_GLOB_DAT, "R_X86_64_GLOB_DAT", "GLOB_DAT"},
    {R_X86_64_64, "R_X86_64_64", "ABS64"},
    {R_X86_64_COPY, "R_X86_64_COPY", NULL},
    {R_X86_64_PC32, "R_X86_64_PC32", NULL},
    {R_X86_64_PLT32, "R_X86_64_PLT32", NULL},
    {R_X86_64_32, "R_X86_64_32", NULL},
    {R_X86_64_32S, "R_X86_64_32S", NULL},
    {R_X86_64_PC64, "R_X86_64_PC64", NULL},
    {R_X86_64_SIZE64, "R_X86_64_SIZE64", NULL},
    {R_X86_64_DTPMOD64, "R_X86_64_DTPMOD64", NULL},
    {R_X86_64_DTPOFF64, "R_X86_64_DTPOFF64", NULL},
    {R_X86_64_TPOFF64, "R_X86_64_TPOFF64", NULL},
    {R_X86_64_TLSDESC, "R_X86_64_TLSDESC", NULL},
    {0, NULL, NULL},
};

/* Loads have a REX prefix: without, they would be 32-bit ones. */
static const struct x86_shape shapes[] = {
    {3, {0xfb, 0xff, 0xc7}, {0x48, 0x8b, 0x05}, X86_NEXT, true, "load"},  /* mov reg, [slot] */
    {3, {0xfb, 0xff, 0xc7}, {0x48, 0x8d, 0x05}, X86_NEXT, false, "load"}, /* lea reg, [stub] */
    {2, {0xff, 0xff}, {0xff, 0x15}, X86_NEXT, true, "call"},              /* call [slot] */
    {2, {0xff, 0xff}, {0xff, 0x25}, X86_NEXT, true, "jump"},              /* jmp [slot] */
    {2, {0xff, 0xf0}, {0x0f, 0x80}, X86_NEXT, false, "jump"},             /* jcc stub */
    {1, {0xff}, {0xe8}, X86_NEXT, false, "call"},                         /* call stub */
    {1, {0xff}, {0xe9}, X86_NEXT, false, "jump"},                         /* jmp stub */
    {0, {0}, {0}, X86_NEXT, false, NULL},
};

/* The last two enter the kernel as i386 code does, with its numbers. */
static const struct arch_trap traps[] = {
    {{0x0f, 0x05}, 2, "syscall", SYSCALLS_X86_64},
    {{0xcd, 0x80}, 2, "int 0x80", SYSCALLS_I386},
    {{0x0f, 0x34}, 2, "sysenter", SYSCALLS_I386},
    {{0}, 0, NULL, SYSCALLS_X86_64},
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
    .arguments = {X86_DI, X86_SI},
    .table = SYSCALLS_X86_64,
};

const struct arch arch_x86_64 = {
    .machine = EM_X86_64,
    .class = ELFCLASS64,
    .orders = ARCH_ORDER(ELFDATA2LSB),
    .hash_entry = 4,
    .name = "x86-64",
    .relocations = relocations,
    .code = &code,
};

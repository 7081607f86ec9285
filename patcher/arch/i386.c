/* SPDX-License-Identifier: MIT
 *
 * i386 (System V psABI): relocations have no addends.
 */
#include "arch/arch.h"

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

const struct arch arch_i386 = {
    .machine = EM_386,
    .class = ELFCLASS32,
    .orders = ARCH_ORDER(ELFDATA2LSB),
    .rel = true,
    .hash_entry = 4,
    .name = "i386",
    .relocations = relocations,
};

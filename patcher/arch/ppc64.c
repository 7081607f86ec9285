/* SPDX-License-Identifier: MIT
 *
 * PowerPC64 (ELFv1 and ELFv2): in ELFv1 an address of a function is that of its descriptor, and
 * JMP_SLOT writes a whole one; either follows the symbol.
 */
#include "arch/arch.h"

#include <elf.h>

static const struct arch_relocation relocations[] = {
    {R_PPC64_JMP_SLOT, "R_PPC64_JMP_SLOT", "JUMP_SLOT"},
    {R_PPC64_GLOB_DAT, "R_PPC64_GLOB_DAT", "GLOB_DAT"},
    {R_PPC64_ADDR64, "R_PPC64_ADDR64", "ABS64"},
    {R_PPC64_UADDR64, "R_PPC64_UADDR64", "ABS64"},
    {R_PPC64_COPY, "R_PPC64_COPY", NULL},
    {R_PPC64_ADDR32, "R_PPC64_ADDR32", NULL},
    {R_PPC64_REL64, "R_PPC64_REL64", NULL},
    {R_PPC64_REL32, "R_PPC64_REL32", NULL},
    {R_PPC64_REL24, "R_PPC64_REL24", NULL},
    {R_PPC64_DTPMOD64, "R_PPC64_DTPMOD64", NULL},
    {R_PPC64_DTPREL64, "R_PPC64_DTPREL64", NULL},
    {R_PPC64_TPREL64, "R_PPC64_TPREL64", NULL},
    {0, NULL, NULL},
};

const struct arch arch_ppc64 = {
    .machine = EM_PPC64,
    .class = ELFCLASS64,
    .orders = ARCH_ORDER(ELFDATA2LSB) | ARCH_ORDER(ELFDATA2MSB),
    .hash_entry = 4,
    .name = "PowerPC64",
    .relocations = relocations,
};

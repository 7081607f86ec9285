/* SPDX-License-Identifier: MIT
 *
 * PowerPC, 32 bits, with the PLT of either kind: one that is code, or (-msecure-plt) addresses.
 */
#include "arch/arch.h"

#include <elf.h>

static const struct arch_relocation relocations[] = {
    {R_PPC_JMP_SLOT, "R_PPC_JMP_SLOT", "JUMP_SLOT"},
    {R_PPC_GLOB_DAT, "R_PPC_GLOB_DAT", "GLOB_DAT"},
    {R_PPC_ADDR32, "R_PPC_ADDR32", "ABS32"},
    {R_PPC_UADDR32, "R_PPC_UADDR32", "ABS32"},
    {R_PPC_COPY, "R_PPC_COPY", NULL},
    {R_PPC_REL32, "R_PPC_REL32", NULL},
    {R_PPC_REL24, "R_PPC_REL24", NULL},
    {R_PPC_DTPMOD32, "R_PPC_DTPMOD32", NULL},
    {R_PPC_DTPREL32, "R_PPC_DTPREL32", NULL},
    {R_PPC_TPREL32, "R_PPC_TPREL32", NULL},
    {0, NULL, NULL},
};

const struct arch arch_ppc = {
    .machine = EM_PPC,
    .class = ELFCLASS32,
    .orders = ARCH_ORDER(ELFDATA2MSB),
    .hash_entry = 4,
    .name = "PowerPC",
    .relocations = relocations,
};

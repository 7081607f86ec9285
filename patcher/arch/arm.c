/* SPDX-License-Identifier: MIT
 *
 * ARM, 32 bits (AAELF32): relocations have no addends.
 */
#include "arch/arch.h"

#include <elf.h>

static const struct arch_relocation relocations[] = {
    {R_ARM_JUMP_SLOT, "R_ARM_JUMP_SLOT", "JUMP_SLOT"},
    {R_ARM_GLOB_DAT, "R_ARM_GLOB_DAT", "GLOB_DAT"},
    {R_ARM_ABS32, "R_ARM_ABS32", "ABS32"},
    {R_ARM_COPY, "R_ARM_COPY", NULL},
    {R_ARM_REL32, "R_ARM_REL32", NULL},
    {R_ARM_PC24, "R_ARM_PC24", NULL},
    {R_ARM_TLS_DTPMOD32, "R_ARM_TLS_DTPMOD32", NULL},
    {R_ARM_TLS_DTPOFF32, "R_ARM_TLS_DTPOFF32", NULL},
    {R_ARM_TLS_TPOFF32, "R_ARM_TLS_TPOFF32", NULL},
    {R_ARM_TLS_DESC, "R_ARM_TLS_DESC", NULL},
    {0, NULL, NULL},
};

const struct arch arch_arm = {
    .machine = EM_ARM,
    .class = ELFCLASS32,
    .orders = ARCH_ORDER(ELFDATA2LSB) | ARCH_ORDER(ELFDATA2MSB),
    .rel = true,
    .hash_entry = 4,
    .name = "ARM",
    .relocations = relocations,
};

/* SPDX-License-Identifier: MIT
 *
 * s390x (z/Architecture): the entries of DT_HASH have 64 bits.
 */
#include "arch/arch.h"

#include <elf.h>

static const struct arch_relocation relocations[] = {
    {R_390_JMP_SLOT, "R_390_JMP_SLOT", "JUMP_SLOT"},
    {R_390_GLOB_DAT, "R_390_GLOB_DAT", "GLOB_DAT"},
    {R_390_64, "R_390_64", "ABS64"},
    {R_390_COPY, "R_390_COPY", NULL},
    {R_390_32, "R_390_32", NULL},
    {R_390_PC64, "R_390_PC64", NULL},
    {R_390_PC32DBL, "R_390_PC32DBL", NULL},
    {R_390_PLT32DBL, "R_390_PLT32DBL", NULL},
    {R_390_TLS_DTPMOD, "R_390_TLS_DTPMOD", NULL},
    {R_390_TLS_DTPOFF, "R_390_TLS_DTPOFF", NULL},
    {R_390_TLS_TPOFF, "R_390_TLS_TPOFF", NULL},
    {0, NULL, NULL},
};

const struct arch arch_s390x = {
    .machine = EM_S390,
    .class = ELFCLASS64,
    .orders = ARCH_ORDER(ELFDATA2MSB),
    .hash_entry = 8,
    .name = "s390x",
    .relocations = relocations,
};

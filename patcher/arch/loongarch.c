/* SPDX-License-Identifier: MIT
 *
 * LoongArch, 64 bits (psABI): no GLOB_DAT, as on RISC-V.
 */
#include "arch/arch.h"

#include <elf.h>

static const struct arch_relocation relocations[] = {
    {R_LARCH_JUMP_SLOT, "R_LARCH_JUMP_SLOT", "JUMP_SLOT"},
    {R_LARCH_64, "R_LARCH_64", "ABS64"},
    {R_LARCH_32, "R_LARCH_32", NULL},
    {R_LARCH_COPY, "R_LARCH_COPY", NULL},
    {R_LARCH_TLS_DTPMOD64, "R_LARCH_TLS_DTPMOD64", NULL},
    {R_LARCH_TLS_DTPREL64, "R_LARCH_TLS_DTPREL64", NULL},
    {R_LARCH_TLS_TPREL64, "R_LARCH_TLS_TPREL64", NULL},
    {0, NULL, NULL},
};

const struct arch arch_loongarch64 = {
    .machine = EM_LOONGARCH,
    .class = ELFCLASS64,
    .orders = ARCH_ORDER(ELFDATA2LSB),
    .hash_entry = 4,
    .name = "LoongArch 64",
    .relocations = relocations,
};

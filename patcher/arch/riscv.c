/* SPDX-License-Identifier: MIT
 *
 * RISC-V (psABI): what other machines call GLOB_DAT is an absolute word here.
 */
#include "arch/arch.h"

#include <elf.h>

static const struct arch_relocation relocations64[] = {
    {R_RISCV_JUMP_SLOT, "R_RISCV_JUMP_SLOT", "JUMP_SLOT"},
    {R_RISCV_64, "R_RISCV_64", "ABS64"},
    {R_RISCV_32, "R_RISCV_32", NULL},
    {R_RISCV_COPY, "R_RISCV_COPY", NULL},
    {R_RISCV_TLS_DTPMOD64, "R_RISCV_TLS_DTPMOD64", NULL},
    {R_RISCV_TLS_DTPREL64, "R_RISCV_TLS_DTPREL64", NULL},
    {R_RISCV_TLS_TPREL64, "R_RISCV_TLS_TPREL64", NULL},
    {0, NULL, NULL},
};

static const struct arch_relocation relocations32[] = {
    {R_RISCV_JUMP_SLOT, "R_RISCV_JUMP_SLOT", "JUMP_SLOT"},
    {R_RISCV_32, "R_RISCV_32", "ABS32"},
    {R_RISCV_64, "R_RISCV_64", NULL},
    {R_RISCV_COPY, "R_RISCV_COPY", NULL},
    {R_RISCV_TLS_DTPMOD32, "R_RISCV_TLS_DTPMOD32", NULL},
    {R_RISCV_TLS_DTPREL32, "R_RISCV_TLS_DTPREL32", NULL},
    {R_RISCV_TLS_TPREL32, "R_RISCV_TLS_TPREL32", NULL},
    {0, NULL, NULL},
};

const struct arch arch_riscv64 = {
    .machine = EM_RISCV,
    .class = ELFCLASS64,
    .orders = ARCH_ORDER(ELFDATA2LSB),
    .hash_entry = 4,
    .name = "RISC-V 64",
    .relocations = relocations64,
};

const struct arch arch_riscv32 = {
    .machine = EM_RISCV,
    .class = ELFCLASS32,
    .orders = ARCH_ORDER(ELFDATA2LSB),
    .hash_entry = 4,
    .name = "RISC-V 32",
    .relocations = relocations32,
};

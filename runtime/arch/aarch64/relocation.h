/* SPDX-License-Identifier: MIT
 *
 * The relocations of the AArch64 ELF ABI that write the address of an imported function.
 */
#ifndef GREEN_ARCH_RELOCATION_H
#define GREEN_ARCH_RELOCATION_H

#include <elf.h>

enum {
    RELOCATION_JUMP_SLOT = R_AARCH64_JUMP_SLOT,
    RELOCATION_GLOB_DAT = R_AARCH64_GLOB_DAT,
    RELOCATION_ABSOLUTE = R_AARCH64_ABS64,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * The relocations of the x86-64 psABI that write the address of an imported function.
 */
#ifndef GREEN_ARCH_RELOCATION_H
#define GREEN_ARCH_RELOCATION_H

#include <elf.h>

enum {
    RELOCATION_JUMP_SLOT = R_X86_64_JUMP_SLOT,
    RELOCATION_GLOB_DAT = R_X86_64_GLOB_DAT,
    RELOCATION_ABSOLUTE = R_X86_64_64,
};

#endif

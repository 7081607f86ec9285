/* SPDX-License-Identifier: MIT
 *
 * The machines that are supported.
 */
#include "arch/arch.h"

static const struct arch *const machines[] = {
    &arch_x86_64,  &arch_aarch64, &arch_i386, &arch_arm,   &arch_riscv64,
    &arch_riscv32, &arch_ppc64,   &arch_ppc,  &arch_s390x, &arch_loongarch64,
};

const struct arch *arch_find(uint16_t machine, unsigned char class)
{
    const struct arch *other = NULL;

    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        if (machines[i]->machine != machine)
            continue;
        if (machines[i]->class == class)
            return machines[i];
        other = machines[i];
    }
    return other;
}

const struct arch_relocation *arch_relocation_find(const struct arch *arch, uint32_t type)
{
    for (const struct arch_relocation *row = arch->relocations; row->name != NULL; row++)
        if (row->type == type)
            return row;
    return NULL;
}

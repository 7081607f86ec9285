/* SPDX-License-Identifier: MIT
 *
 * Mutations of an input that is two ELF files: targets/proof.c.
 */
#ifndef FUZZ_PAIR_H
#define FUZZ_PAIR_H

#include <stddef.h>
#include <stdint.h>

/* A fuzz_mutator. */
size_t pair_mutate(uint8_t *bytes, size_t size, size_t room, uint32_t *state);

#endif

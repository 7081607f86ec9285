/* SPDX-License-Identifier: MIT
 *
 * Mutations that know where an ELF file keeps its numbers.
 */
#ifndef FUZZ_ELF_MUTATOR_H
#define FUZZ_ELF_MUTATOR_H

#include <stddef.h>
#include <stdint.h>

/* A fuzz_mutator. What it changed in an undo record, or in a file with one, it seals again half of
 * the time: else everything behind the checksum stayed unseen. */
size_t elf_mutate(uint8_t *bytes, size_t size, size_t room, uint32_t *state);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The tables of an ELF file, found without the patcher and without trust: whatever lies inside the
 * file is mapped, whatever does not is left out.
 */
#ifndef FUZZ_ELF_MAP_H
#define FUZZ_ELF_MAP_H

#include "elf/codec.h"

#include <stdbool.h>
#include <stddef.h>

enum { ELF_MAP_TABLES = 40 };

/* `count` records of `each` bytes; `widths` are those of their fields, ended by 0. */
struct elf_map_table {
    size_t offset;
    size_t count;
    size_t each;
    const uint8_t *widths;
    uint64_t address; /* 0: not known */
};

struct elf_map {
    const struct codec *codec;
    struct elf_map_table tables[ELF_MAP_TABLES];
    size_t count;
    size_t dynamic; /* its place in `tables`, or ELF_MAP_TABLES */
};

/* False when the file has no ELF header. */
bool elf_map(const uint8_t *bytes, size_t size, struct elf_map *map);

#endif

/* SPDX-License-Identifier: MIT
 *
 * One ELF file in memory, validated: every offset, count and length that the other modules use was
 * checked here against the size of the file. Tables are found by PT_DYNAMIC, as the loader finds
 * them; section headers are a help and may be missing. The only user of libelf.
 */
#ifndef PATCHER_IMAGE_H
#define PATCHER_IMAGE_H

#include <elf.h>

#include "arch/arch.h"
#include "patcher.h"

/* A table that lies wholly inside the file. size == 0: there is none. */
struct image_table {
    uint64_t offset;
    uint64_t address;
    uint64_t size;
};

enum { IMAGE_RELOCATION_TABLES = 2 };

struct image {
    const uint8_t *bytes; /* borrowed */
    uint64_t size;
    const struct arch *arch;

    Elf64_Ehdr header;
    Elf64_Phdr *segments;
    size_t segment_count;
    Elf64_Shdr *sections; /* section_count == 0: the file has no section headers */
    size_t section_count;
    const char *section_names; /* section_names_size bytes, the last of them NUL; or NULL */
    uint64_t section_names_size;

    uint64_t dynamic_offset;
    Elf64_Dyn *dynamic;
    size_t dynamic_capacity; /* entries in the segment */
    size_t dynamic_count;    /* entries in use: the first DT_NULL stands here */

    struct image_table strings; /* the last byte is NUL */
    struct image_table symbols;
    uint32_t symbol_count;
    struct image_table versions; /* .gnu.version, one Elf64_Half a symbol */
    struct image_table hash;
    struct image_table gnu_hash;
    struct image_table relocations[IMAGE_RELOCATION_TABLES];
};

/* Names by which messages know relocations[i]. */
extern const char *const image_relocation_names[IMAGE_RELOCATION_TABLES];

/* The caller owns *out; `bytes` must outlive it. */
PATCH_MUST_CHECK bool image_parse(const uint8_t *bytes, uint64_t size, struct image **out,
                                  struct patch_error *error);
void image_destroy(struct image *image); /* accepts NULL */

/* Copies `size` bytes; false when they do not all lie inside the file. */
PATCH_MUST_CHECK bool image_read(const struct image *image, uint64_t offset, void *to, size_t size);

/* Offset of `size` bytes that the loader maps at `address` from one segment's file content. */
PATCH_MUST_CHECK bool image_offset(const struct image *image, uint64_t address, uint64_t size,
                                   uint64_t *offset);

/* A string of .dynstr; NULL when `offset` lies behind its end. */
const char *image_string(const struct image *image, uint64_t offset);

Elf64_Sym image_symbol(const struct image *image, uint32_t index);
uint64_t image_symbol_offset(const struct image *image, uint32_t index);  /* in the file */
const char *image_symbol_name(const struct image *image, uint32_t index); /* NULL: malformed */

/* The entry that the loader goes by (the last with `tag`); NULL when there is none. */
const Elf64_Dyn *image_dynamic(const struct image *image, int64_t tag);
uint64_t image_dynamic_offset(const struct image *image, const Elf64_Dyn *entry);

/* Entry `index` of relocations[table]. */
size_t image_relocation_count(const struct image *image, size_t table);
Elf64_Rela image_relocation(const struct image *image, size_t table, size_t index);
uint64_t image_relocation_offset(const struct image *image, size_t table, size_t index);

const char *image_soname(const struct image *image); /* or NULL */

/* "" when it has none. */
const char *image_section_name(const struct image *image, size_t index);

/* Header of the section that is .dynstr; NULL without section headers. */
const Elf64_Shdr *image_string_section(const struct image *image);

/* First byte behind everything that the headers describe. */
uint64_t image_end(const struct image *image);

#endif

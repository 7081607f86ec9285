/* SPDX-License-Identifier: MIT
 *
 * One ELF file, validated: every offset, count and length that the other modules use was
 * checked here against the size of the file, and is kept: what is read again may be another file
 * by then. Tables are found by PT_DYNAMIC, as the loader finds them; section headers are a help and
 * may be missing. The only user of libelf.
 */
#ifndef PATCHER_IMAGE_H
#define PATCHER_IMAGE_H

#include <elf.h>

#include "arch/arch.h"
#include "elf/codec.h"
#include "io/file.h"
#include "patcher.h"

/* A table that lies wholly inside the file. size == 0: there is none. */
struct image_table {
    uint64_t offset;
    uint64_t address;
    uint64_t size;
};

/* What DT_GNU_HASH begins with: four numbers; a filter, buckets and hashes follow. */
struct image_gnu_head {
    uint32_t buckets;
    uint32_t first;     /* symbol that is hashed */
    uint32_t words;     /* of the filter, an address each */
    uint32_t shift;     /* of a hash, for the filter's second bit */
    uint64_t filter_at; /* from here on from the beginning of the table, in bytes */
    uint64_t buckets_at;
    uint64_t hashes_at;
};

enum image_relocations {
    IMAGE_RELA, /* DT_RELA */
    IMAGE_PLT,  /* DT_JMPREL, of the kind that DT_PLTREL says */
    IMAGE_REL,  /* DT_REL */
    IMAGE_RELOCATION_TABLES,
};

struct image {
    const uint8_t *bytes; /* borrowed; of a file only what was loaded may be touched */
    uint64_t size;
    const struct reader *reader; /* for short reads, by one thread; good as long as the image */
    const struct reader *file;   /* for long ones, by any number of threads; borrowed */
    struct source *source;       /* owned; NULL: all of `bytes` is memory */
    struct reader memory;        /* both readers, in that case */
    const struct codec *codec;
    const struct arch *arch;

    /* As ELF64 structures in the order of this machine, whatever the file has. */
    Elf64_Ehdr header;
    Elf64_Phdr *segments;
    size_t segment_count;
    Elf64_Shdr *sections; /* section_count == 0: the file has no section headers */
    size_t section_count;
    uint64_t section_names;      /* where they stand in the file; the last byte is NUL */
    uint64_t section_names_size; /* 0: there are none */

    uint64_t dynamic_offset;
    Elf64_Dyn *dynamic;
    size_t dynamic_capacity; /* entries in the segment */
    size_t dynamic_count;    /* entries in use: the first DT_NULL stands here */

    struct image_table strings; /* the last byte is NUL */
    struct image_table symbols;
    uint32_t symbol_count;
    struct image_table versions; /* .gnu.version, one Elf64_Half a symbol */
    struct image_table hash;
    uint32_t hash_buckets;
    uint32_t hash_chains;
    struct image_table gnu_hash;
    struct image_gnu_head gnu_head;
    struct image_table relocations[IMAGE_RELOCATION_TABLES];
    bool plt_addends; /* relocations[IMAGE_PLT] are Elf64_Rela */
};

/* Parses `size` bytes of memory. The caller owns *out; `bytes` must outlive it. */
PATCH_MUST_CHECK bool image_parse(const uint8_t *bytes, uint64_t size, struct image **out,
                                  struct patch_error *error);

/* Parses a file, which must outlive *out; the caller owns that. Headers, the names of sections and
 * the dynamic segment are read at once, and nothing else stays in memory: the functions below read
 * what they need, whoever uses image->bytes calls image_load() first. */
PATCH_MUST_CHECK bool image_open(const struct file *file, struct image **out,
                                 struct patch_error *error);
PATCH_MUST_CHECK bool image_open_reader(const struct reader *reader, struct image **out,
                                        struct patch_error *error);
void image_destroy(struct image *image); /* accepts NULL */

/* Makes `size` bytes at `offset` readable through image->bytes until they are released as often as
 * they were loaded. PATCH_TRUNCATED when they do not lie inside the file. */
PATCH_MUST_CHECK bool image_load(const struct image *image, uint64_t offset, uint64_t size,
                                 struct patch_error *error);
void image_release(const struct image *image, uint64_t offset, uint64_t size);

/* Bytes, which must lie inside the file, where they are in memory anyway; NULL when they are not.
 */
const uint8_t *image_in_memory(const struct image *image, uint64_t offset, uint64_t size);

/* Puts them to `to`, to look at once. */
PATCH_MUST_CHECK bool image_read_bytes(const struct image *image, uint64_t offset, uint64_t size,
                                       uint8_t *to, struct patch_error *error);

/* Loads all dynamic tables that struct image names, once and for all; for who follows chains
 * through them by pointer. They may be large. */
PATCH_MUST_CHECK bool image_load_tables(const struct image *image, struct patch_error *error);

/* False when a function without an error of its own could not read what it was asked for, because
 * the file became shorter or its disk is broken; it then gave zeros. To be asked before what was
 * read is acted upon. */
PATCH_MUST_CHECK bool image_sound(const struct image *image, struct patch_error *error);

/* How many bytes from `offset` up to `limit`, which lies inside the file, are zero. */
uint64_t image_zeros(const struct image *image, uint64_t offset, uint64_t limit);

/* Whether `count` entries of `each` bytes at `offset` lie inside the file. */
bool image_inside(const struct image *image, uint64_t offset, uint64_t count, uint64_t each);

/* Reads one record; false when it does not lie wholly inside the file. */
PATCH_MUST_CHECK bool image_read(const struct image *image, enum codec_record record,
                                 uint64_t offset, void *to);

/* The same without decoding, of at most SOURCE_RECORD bytes, which must lie inside the file. */
void image_copy(const struct image *image, uint64_t offset, size_t size, void *to);

/* The number of `width` bytes at `offset`, which must lie inside the file. */
uint64_t image_number(const struct image *image, uint64_t offset, size_t width);

/* Place of a header in the file. */
uint64_t image_segment_offset(const struct image *image, size_t index);
uint64_t image_section_offset(const struct image *image, size_t index);

/* Offset of `size` bytes that the loader maps at `address` from one segment's file content. */
PATCH_MUST_CHECK bool image_offset(const struct image *image, uint64_t address, uint64_t size,
                                   uint64_t *offset);

/* A string of .dynstr, good as long as the image; NULL when `offset` lies behind its end. */
const char *image_string(const struct image *image, uint64_t offset);

/* Its first `room` - 1 bytes, terminated, without keeping it in memory; false when `offset` lies
 * behind the end. */
PATCH_MUST_CHECK bool image_copy_string(const struct image *image, uint64_t offset, char *to,
                                        size_t room);

Elf64_Sym image_symbol(const struct image *image, uint32_t index);
uint64_t image_symbol_offset(const struct image *image, uint32_t index);  /* in the file */
const char *image_symbol_name(const struct image *image, uint32_t index); /* NULL: malformed */

/* The entry that the loader goes by (the last with `tag`); NULL when there is none. */
const Elf64_Dyn *image_dynamic(const struct image *image, int64_t tag);
uint64_t image_dynamic_offset(const struct image *image, const Elf64_Dyn *entry);

/* Name by which messages know relocations[table], and the kind of its entries. */
const char *image_relocation_name(const struct image *image, size_t table);
enum codec_record image_relocation_record(const struct image *image, size_t table);

size_t image_relocation_count(const struct image *image, size_t table);
uint64_t image_relocation_offset(const struct image *image, size_t table, size_t index);

/* Symbols, or entries of relocations[table], from `first` on, as many as there are and fit; returns
 * how many. */
enum { IMAGE_BATCH = 128 };
size_t image_symbols(const struct image *image, size_t first, Elf64_Sym to[IMAGE_BATCH]);
size_t image_relocations(const struct image *image, size_t table, size_t first,
                         Elf64_Rela to[IMAGE_BATCH]);

const char *image_soname(const struct image *image); /* or NULL */

/* "" when it has none. */
const char *image_section_name(const struct image *image, size_t index);

/* Whether this is a header of .dynstr, whatever its name: it may be that there are several, or that
 * it has lost its type or flags. */
bool image_is_string_section(const struct image *image, size_t index);

/* The first of them; NULL without section headers. */
const Elf64_Shdr *image_string_section(const struct image *image);

/* First byte behind everything that the headers describe. */
uint64_t image_end(const struct image *image);

#endif

/* SPDX-License-Identifier: MIT
 *
 * ELF records of either class and byte order. Everything else holds the ELF64 structures in the
 * order of this machine; only here is known how they stand in a file.
 */
#ifndef PATCHER_CODEC_H
#define PATCHER_CODEC_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codec_record {
    CODEC_HEADER,  /* Elf64_Ehdr */
    CODEC_SEGMENT, /* Elf64_Phdr */
    CODEC_SECTION, /* Elf64_Shdr */
    CODEC_SYMBOL,  /* Elf64_Sym */
    CODEC_DYNAMIC, /* Elf64_Dyn */
    CODEC_REL,     /* Elf64_Rela, whose r_addend is 0 */
    CODEC_RELA,    /* Elf64_Rela */
    CODEC_RECORDS,
};

/* Members that are looked at or changed one by one, with their place in the file. */
enum codec_member {
    CODEC_E_PHOFF,
    CODEC_E_SHOFF,
    CODEC_E_PHENTSIZE,
    CODEC_E_PHNUM,
    CODEC_E_SHENTSIZE,
    CODEC_E_SHNUM,
    CODEC_E_SHSTRNDX,
    CODEC_P_TYPE,
    CODEC_P_FLAGS,
    CODEC_P_OFFSET,
    CODEC_P_VADDR,
    CODEC_P_PADDR,
    CODEC_P_FILESZ,
    CODEC_P_MEMSZ,
    CODEC_P_ALIGN,
    CODEC_SH_ADDR,
    CODEC_SH_OFFSET,
    CODEC_SH_SIZE,
    CODEC_ST_NAME,
    CODEC_ST_VALUE,
    CODEC_D_TAG,
    CODEC_D_VAL,
    CODEC_MEMBERS,
};

/* One of the four ways to write ELF. */
struct codec {
    unsigned char class; /* EI_CLASS */
    unsigned char order; /* EI_DATA */
    bool plain;          /* records stand in the file as in memory */
    size_t word;         /* bytes of an address */
    uint64_t limit;      /* the highest address, size or offset that can be written */
    size_t sizes[CODEC_RECORDS];
};

struct codec_place {
    size_t offset;
    size_t width; /* 1, 2, 4 or 8 */
};

/* NULL for a class or an order that ELF does not have. */
const struct codec *codec_find(unsigned char class, unsigned char order);

uint64_t codec_number(const struct codec *codec, const uint8_t *bytes, size_t width);
void codec_put_number(const struct codec *codec, uint8_t *bytes, size_t width, uint64_t value);

/* Reads codec->sizes[record] bytes into the ELF64 structure. Relocations get the r_info of ELF64.
 */
void codec_read(const struct codec *codec, enum codec_record record, const uint8_t *bytes,
                void *to);

/* The same for `count` records that stand one behind the other. */
void codec_read_all(const struct codec *codec, enum codec_record record, const uint8_t *bytes,
                    size_t count, void *to);

/* Where the member stands, counted from the beginning of its record. */
struct codec_place codec_place(const struct codec *codec, enum codec_member member);

#endif

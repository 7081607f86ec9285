/* SPDX-License-Identifier: MIT
 *
 * From the ELF header to the headers, from PT_DYNAMIC to the tables that the loader reads.
 */
#include "elf_map.h"

#include <string.h>

/* Fields of the records, in either class, in the order of the file. */
static const uint8_t header_64[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                    1, 2, 2, 4, 8, 8, 8, 4, 2, 2, 2, 2, 2, 2, 0};
static const uint8_t header_32[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                    1, 2, 2, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 0};
static const uint8_t segment_64[] = {4, 4, 8, 8, 8, 8, 8, 8, 0};
static const uint8_t segment_32[] = {4, 4, 4, 4, 4, 4, 4, 4, 0};
static const uint8_t section_64[] = {4, 4, 8, 8, 8, 8, 4, 4, 8, 8, 0};
static const uint8_t section_32[] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 0};
static const uint8_t symbol_64[] = {4, 1, 1, 2, 8, 8, 0};
static const uint8_t symbol_32[] = {4, 4, 4, 1, 1, 2, 0};
static const uint8_t bytes_1[] = {1, 0};
static const uint8_t halves[] = {2, 0};
static const uint8_t words_4[] = {4, 0};
static const uint8_t words_8[] = {8, 0};
static const uint8_t pairs_4[] = {4, 4, 0};
static const uint8_t pairs_8[] = {8, 8, 0};
static const uint8_t threes_4[] = {4, 4, 4, 0};
static const uint8_t threes_8[] = {8, 8, 8, 0};
static const uint8_t version[] = {2, 2, 4, 4, 4, 0};
/* The record that the patcher leaves: patcher/undo.c. */
static const uint8_t undo[] = {8, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8, 4, 4, 8, 8, 8, 8, 8, 8, 0};

static size_t size_of(const uint8_t *widths)
{
    size_t size = 0;

    while (*widths != 0)
        size += *widths++;
    return size;
}

static void add(struct elf_map *map, size_t room, uint64_t offset, uint64_t size,
                const uint8_t *widths, uint64_t address)
{
    size_t each = size_of(widths);

    if (map->count == ELF_MAP_TABLES || offset >= room)
        return;
    if (size > room - offset)
        size = room - offset;
    if (size >= each)
        map->tables[map->count++] =
            (struct elf_map_table){(size_t)offset, (size_t)size / each, each, widths, address};
}

/* --- what the dynamic segment names ----------------------------------------------------------- */

static const struct {
    int64_t tag;
    int64_t size_tag;         /* 0: up to the next table, or 256 bytes */
    const uint8_t *widths[2]; /* ELF32, ELF64 */
} rows[] = {
    {DT_STRTAB, DT_STRSZ, {bytes_1, bytes_1}}, {DT_SYMTAB, 0, {symbol_32, symbol_64}},
    {DT_HASH, 0, {words_4, words_4}},          {DT_GNU_HASH, 0, {words_4, words_4}},
    {DT_VERSYM, 0, {halves, halves}},          {DT_VERNEED, 0, {version, version}},
    {DT_VERDEF, 0, {halves, halves}},          {DT_RELA, DT_RELASZ, {threes_4, threes_8}},
    {DT_REL, DT_RELSZ, {pairs_4, pairs_8}},    {DT_JMPREL, DT_PLTRELSZ, {pairs_4, threes_8}},
    {DT_RELR, DT_RELRSZ, {words_4, words_8}},  {DT_INIT_ARRAY, DT_INIT_ARRAYSZ, {words_4, words_8}},
    {DT_PLTGOT, 0, {words_4, words_8}},
};

struct source {
    const uint8_t *bytes;
    size_t size;
    struct elf_map *map;
    uint64_t phoff;
    size_t phnum;
};

static uint64_t number(const struct source *source, uint64_t offset, size_t width)
{
    if (offset > source->size || source->size - offset < width)
        return 0;
    return codec_number(source->map->codec, source->bytes + offset, width);
}

static bool segment(const struct source *source, size_t index, Elf64_Phdr *to)
{
    const struct codec *codec = source->map->codec;
    uint64_t offset = source->phoff + index * codec->sizes[CODEC_SEGMENT];

    if (offset > source->size || source->size - offset < codec->sizes[CODEC_SEGMENT])
        return false;
    codec_read(codec, CODEC_SEGMENT, source->bytes + offset, to);
    return true;
}

static uint64_t offset_of(const struct source *source, uint64_t address)
{
    Elf64_Phdr one;

    for (size_t i = 0; i < source->phnum && segment(source, i, &one); i++)
        if (one.p_type == PT_LOAD && address >= one.p_vaddr && address - one.p_vaddr < one.p_filesz)
            return one.p_offset + (address - one.p_vaddr);
    return source->size;
}

static uint64_t dynamic_value(const struct source *source, const Elf64_Phdr *dynamic, int64_t tag)
{
    size_t word = source->map->codec->word;
    uint64_t last = word == 8 ? UINT64_MAX : UINT32_MAX;

    for (uint64_t at = 0; at < dynamic->p_filesz && at < source->size; at += 2 * word)
        if (number(source, dynamic->p_offset + at, word) == ((uint64_t)tag & last))
            return number(source, dynamic->p_offset + at + word, word);
    return 0;
}

static void add_dynamic(const struct source *source, const Elf64_Phdr *dynamic)
{
    bool wide = source->map->codec->word == 8;

    source->map->dynamic = source->map->count;
    add(source->map, source->size, dynamic->p_offset, dynamic->p_filesz, wide ? pairs_8 : pairs_4,
        dynamic->p_vaddr);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t address = dynamic_value(source, dynamic, rows[i].tag);
        uint64_t size =
            rows[i].size_tag != 0 ? dynamic_value(source, dynamic, rows[i].size_tag) : 256;
        if (address != 0)
            add(source->map, source->size, offset_of(source, address), size, rows[i].widths[wide],
                address);
    }
}

static void add_segments(const struct source *source)
{
    bool wide = source->map->codec->word == 8;
    Elf64_Phdr one;

    add(source->map, source->size, source->phoff,
        source->phnum * source->map->codec->sizes[CODEC_SEGMENT], wide ? segment_64 : segment_32,
        0);
    for (size_t i = 0; i < source->phnum && i < 16 && segment(source, i, &one); i++) {
        if (one.p_type == PT_DYNAMIC)
            add_dynamic(source, &one);
        else if (one.p_type == PT_NOTE)
            add(source->map, source->size, one.p_offset, one.p_filesz, words_4, one.p_vaddr);
        else if (one.p_type == PT_LOAD)
            add(source->map, source->size, one.p_offset, one.p_filesz, bytes_1, one.p_vaddr);
    }
}

static void add_undo(const struct source *source)
{
    static const uint8_t magic[] = {0x7f, 'u', 'n', 'g', 'r', 'e', 'e'};
    const uint8_t *at = memmem(source->bytes, source->size, magic, sizeof(magic));

    if (at == NULL)
        return;
    /* Twice: nothing else needs as many tries. */
    add(source->map, source->size, (uint64_t)(at - source->bytes), size_of(undo), undo, 0);
    add(source->map, source->size, (uint64_t)(at - source->bytes), size_of(undo), undo, 0);
    add(source->map, source->size, (uint64_t)(at - source->bytes) + 136, 64, bytes_1, 0);
}

bool elf_map(const uint8_t *bytes, size_t size, struct elf_map *map)
{
    struct source source = {.bytes = bytes, .size = size, .map = map};
    Elf64_Ehdr header;

    *map = (struct elf_map){0};
    if (size < EI_NIDENT || memcmp(bytes, ELFMAG, SELFMAG) != 0)
        return false;
    map->codec = codec_find(bytes[EI_CLASS], bytes[EI_DATA]);
    if (map->codec == NULL || size < map->codec->sizes[CODEC_HEADER])
        return false;
    codec_read(map->codec, CODEC_HEADER, bytes, &header);
    source.phoff = header.e_phoff;
    source.phnum = header.e_phnum < 64 ? header.e_phnum : 64;
    bool wide = map->codec->word == 8;
    map->dynamic = ELF_MAP_TABLES;
    add(map, size, 0, map->codec->sizes[CODEC_HEADER], wide ? header_64 : header_32, 0);
    add(map, size, header.e_shoff, header.e_shnum * map->codec->sizes[CODEC_SECTION],
        wide ? section_64 : section_32, 0);
    add_segments(&source);
    add_undo(&source);
    return true;
}

/* SPDX-License-Identifier: MIT
 *
 * Picks a table, a record, a field, and gives it a value that some check may have forgotten.
 */
#include "elf_mutator.h"

#include "elf_map.h"
#include "io/in_memory.h"

#include <string.h>

/* What one mutation works on. */
struct subject {
    uint8_t *bytes;
    size_t size;
    size_t room;
    struct elf_map map;
    uint32_t *state;
};

static uint32_t below(struct subject *subject, size_t limit)
{
    uint32_t x = *subject->state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *subject->state = x;
    return limit == 0 ? 0 : (uint32_t)(((uint64_t)x * limit) >> 32);
}

/* --- places ----------------------------------------------------------------------------------- */

struct field {
    size_t offset;
    size_t width;
};

static const struct elf_map_table *pick_table(struct subject *subject)
{
    return &subject->map.tables[below(subject, subject->map.count)];
}

/* The first records of a table and the last are more likely than those between. */
static size_t pick_record(struct subject *subject, const struct elf_map_table *table)
{
    switch (below(subject, 4)) {
    case 0:
        return below(subject, table->count < 4 ? table->count : 4);
    case 1:
        return table->count - 1 - below(subject, table->count < 3 ? table->count : 3);
    default:
        return below(subject, table->count);
    }
}

static struct field pick_field(struct subject *subject, const struct elf_map_table *table)
{
    struct field field = {table->offset + pick_record(subject, table) * table->each, 0};
    size_t index = below(subject, strlen((const char *)table->widths));

    for (size_t i = 0; i < index; i++)
        field.offset += table->widths[i];
    field.width = table->widths[index];
    return field;
}

static uint64_t get(const struct subject *subject, struct field field)
{
    return codec_number(subject->map.codec, subject->bytes + field.offset, field.width);
}

static void put(struct subject *subject, struct field field, uint64_t value)
{
    codec_put_number(subject->map.codec, subject->bytes + field.offset, field.width, value);
}

/* --- values ----------------------------------------------------------------------------------- */

/* Where something begins or ends. */
static uint64_t pick_border(struct subject *subject)
{
    const struct elf_map_table *table = pick_table(subject);
    uint64_t size = table->count * table->each;

    switch (below(subject, 6)) {
    case 0:
        return table->offset;
    case 1:
        return table->offset + size;
    case 2:
        return table->address;
    case 3:
        return table->address + size;
    case 4:
        return subject->size;
    default:
        return size;
    }
}

static uint64_t pick_value(struct subject *subject, struct field field)
{
    static const uint64_t extremes[] = {0,
                                        1,
                                        2,
                                        3,
                                        7,
                                        8,
                                        0x10,
                                        0x7f,
                                        0x80,
                                        0xff,
                                        0x1000,
                                        0x7fff,
                                        0xffff,
                                        0x7fffffff,
                                        0x80000000,
                                        0xffffffff,
                                        0x100000000,
                                        INT64_MAX,
                                        (uint64_t)INT64_MAX + 1,
                                        UINT64_MAX};
    uint64_t old = get(subject, field);

    switch (below(subject, 7)) {
    case 0:
        return extremes[below(subject, sizeof(extremes) / sizeof(extremes[0]))];
    case 1:
        return old + below(subject, 9) - 4;
    case 2:
        return pick_border(subject) + below(subject, 3) - 1;
    case 3:
        return get(subject, pick_field(subject, pick_table(subject)));
    case 4:
        return old ^ (uint64_t)1 << below(subject, 8 * field.width);
    case 5:
        return -(uint64_t)below(subject, 0x100) - (below(subject, 2) ? pick_border(subject) : 0);
    default:
        return below(subject, 2) ? old * 2 : old / 2;
    }
}

/* --- changes ---------------------------------------------------------------------------------- */

static void change_field(struct subject *subject)
{
    struct field field = pick_field(subject, pick_table(subject));

    put(subject, field, pick_value(subject, field));
}

/* One record twice: entries, segments and symbols that overlap. */
static void copy_record(struct subject *subject)
{
    const struct elf_map_table *table = pick_table(subject);
    size_t from = table->offset + pick_record(subject, table) * table->each;
    size_t to = table->offset + pick_record(subject, table) * table->each;

    memmove(subject->bytes + to, subject->bytes + from, table->each);
}

static void copy_field(struct subject *subject)
{
    const struct elf_map_table *table = pick_table(subject);
    struct field from = pick_field(subject, table);
    struct field to = pick_field(subject, table);

    put(subject, to, get(subject, from));
}

/* A dynamic entry gets another tag, or points to where another one does. */
static void change_dynamic(struct subject *subject)
{
    static const int64_t tags[] = {
        DT_NULL,     DT_NEEDED,      DT_PLTRELSZ, DT_HASH,         DT_STRTAB,    DT_SYMTAB,
        DT_RELA,     DT_RELASZ,      DT_RELAENT,  DT_STRSZ,        DT_SYMENT,    DT_SONAME,
        DT_RPATH,    DT_REL,         DT_RELSZ,    DT_RELENT,       DT_PLTREL,    DT_JMPREL,
        DT_RUNPATH,  DT_FLAGS,       DT_RELR,     DT_RELRSZ,       DT_RELRENT,   DT_GNU_HASH,
        DT_VERSYM,   DT_VERNEED,     DT_VERDEF,   DT_VERNEEDNUM,   DT_VERDEFNUM, DT_RELACOUNT,
        DT_RELCOUNT, DT_GNU_LIBLIST, DT_FLAGS_1,  DT_GNU_PRELINKED};

    if (subject->map.dynamic >= subject->map.count) {
        change_field(subject);
        return;
    }
    const struct elf_map_table *table = &subject->map.tables[subject->map.dynamic];
    size_t word = subject->map.codec->word;
    struct field tag = {table->offset + pick_record(subject, table) * table->each, word};
    struct field other = {table->offset + pick_record(subject, table) * table->each + word, word};
    struct field value = {tag.offset + word, word};
    uint32_t how = below(subject, 3);

    if (how != 0)
        put(subject, tag, (uint64_t)tags[below(subject, sizeof(tags) / sizeof(tags[0]))]);
    if (how != 1)
        put(subject, value, get(subject, other) + (below(subject, 2) ? 0 : below(subject, 17) - 8));
}

/* A name that means something to the patcher, over some string. */
static void plant_name(struct subject *subject)
{
    static const char *const names[] = {"recv", "greenify_recv", "libgreen.so.1", "greenify_",
                                        "poll", "GLIBC_2.34",    "libc.so.6",     "$ORIGIN"};
    const char *name = names[below(subject, sizeof(names) / sizeof(names[0]))];
    const struct elf_map_table *table = pick_table(subject);
    size_t at = table->offset + below(subject, table->count) * table->each;
    size_t length = strlen(name) + 1;

    if (length <= subject->size - at)
        memcpy(subject->bytes + at, name, length);
}

static void move_block(struct subject *subject)
{
    size_t from = below(subject, subject->size);
    size_t to = below(subject, subject->size);
    size_t most = subject->size - (from > to ? from : to);

    memmove(subject->bytes + to, subject->bytes + from, below(subject, most < 256 ? most : 256));
}

static void change_size(struct subject *subject)
{
    size_t longer = subject->room - subject->size;
    const struct elf_map_table *table = pick_table(subject);

    if (below(subject, 2) == 0 && longer > 0) {
        size_t more = 1 + below(subject, longer < 64 ? longer : 64);
        memset(subject->bytes + subject->size, below(subject, 2) ? 0 : 'x', more);
        subject->size += more;
    } else {
        size_t end = table->offset + table->count * table->each;
        size_t cut = end + 1 - below(subject, 3);
        if (cut > 1 && cut < subject->size)
            subject->size = cut;
    }
}

/* --- undo records ----------------------------------------------------------------------------- */

static void seal_again(struct subject *subject)
{
    static const uint8_t magic[] = {0x7f, 'u', 'n', 'g', 'r', 'e', 'e'};
    const uint8_t *at = memmem(subject->bytes, subject->size, magic, sizeof(magic));

    if (at != NULL)
        in_memory_seal(subject->bytes, subject->size, (uint64_t)(at - subject->bytes));
}

/* --- all of it -------------------------------------------------------------------------------- */

static const struct {
    unsigned weight;
    void (*change)(struct subject *subject);
} changes[] = {
    {12, change_field}, {3, copy_record}, {2, copy_field},  {4, change_dynamic},
    {2, plant_name},    {1, move_block},  {1, change_size},
};

static void change_once(struct subject *subject)
{
    enum { COUNT = sizeof(changes) / sizeof(changes[0]) };
    unsigned total = 0;
    size_t i = 0;

    for (size_t one = 0; one < COUNT; one++)
        total += changes[one].weight;
    for (uint32_t left = below(subject, total); left >= changes[i].weight; i++)
        left -= changes[i].weight;
    changes[i].change(subject);
}

size_t elf_mutate(uint8_t *bytes, size_t size, size_t room, uint32_t *state)
{
    struct subject subject = {.bytes = bytes, .size = size, .room = room, .state = state};
    uint32_t times = 1 + below(&subject, 4);

    for (uint32_t i = 0; i < times; i++) {
        if (!elf_map(subject.bytes, subject.size, &subject.map) || subject.map.count == 0)
            return i == 0 ? 0 : subject.size;
        change_once(&subject);
    }
    if (below(&subject, 2) == 0)
        seal_again(&subject);
    return subject.size;
}

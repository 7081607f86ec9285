/* SPDX-License-Identifier: MIT
 *
 * The loader's cache: what ldconfig writes is found, and what nobody should write hurts nobody.
 */
#include "loader/ldcache.h"
#include "run_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { X86_64 = 0x0303, AARCH64 = 0x0a03, HEADER = 48, ENTRY = 24 };

struct row {
    uint32_t flags;
    const char *name;
    const char *path;
    uint64_t features;
};

static const struct row rows[] = {
    {X86_64, "libz.so.1", "/special/libz.so.1", 1}, {AARCH64, "libz.so.1", "/arm/libz.so.1", 0},
    {X86_64, "libz.so.1", "/lib/libz.so.1", 0},     {X86_64, "libz.so.1", "/second/libz.so.1", 0},
    {X86_64, "liba.so.1", "/lib/liba.so.1", 0},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), OLD = 16 + 3 * 12 };

static void put(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

/* The table of these rows, behind `front` bytes. */
static uint8_t *make(size_t front, size_t *size)
{
    uint8_t *bytes = calloc(1, 4096);
    uint8_t *table = bytes + front;
    size_t strings = HEADER + ROWS * ENTRY;

    memcpy(table, "glibc-ld.so.cache1.1", 20);
    put(table + 20, ROWS);
    table[28] = 2;
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t *entry = table + HEADER + i * ENTRY;

        put(entry, rows[i].flags);
        put(entry + 4, (uint32_t)strings);
        strings += (size_t)sprintf((char *)table + strings, "%s", rows[i].name) + 1;
        put(entry + 8, (uint32_t)strings);
        strings += (size_t)sprintf((char *)table + strings, "%s", rows[i].path) + 1;
        memcpy(entry + 16, &rows[i].features, sizeof(rows[i].features));
    }
    *size = front + strings;
    return bytes;
}

/* An old table in front, as ldconfig wrote for years. */
static uint8_t *make_with_old(size_t *size)
{
    uint8_t *bytes = make((OLD + 7) / 8 * 8, size);

    memcpy(bytes, "ld.so-1.7.0", 11);
    put(bytes + 12, 3);
    return bytes;
}

static char visited[256];

static bool visit(void *context, const char *path)
{
    size_t used = strlen(visited);

    snprintf(visited + used, sizeof(visited) - used, "%s ", path);
    return context != NULL;
}

static void find(const struct ldcache *cache, const char *name, uint32_t flags, const char *paths)
{
    visited[0] = '\0';
    ldcache_find(cache, name, flags, visit, NULL);
    ck_assert_str_eq(visited, paths);
}

START_TEST(entries_are_found_by_name_and_machine)
{
    struct ldcache cache;
    size_t size;
    uint8_t *bytes = make(0, &size);

    ldcache_adopt(&cache, bytes, size);
    find(&cache, "libz.so.1", X86_64, "/lib/libz.so.1 /second/libz.so.1 ");
    find(&cache, "libz.so.1", AARCH64, "/arm/libz.so.1 ");
    find(&cache, "liba.so.1", X86_64, "/lib/liba.so.1 ");
    find(&cache, "liba.so", X86_64, "");
    ldcache_finish(&cache);
}
END_TEST

START_TEST(visit_ends_the_search)
{
    struct ldcache cache;
    size_t size;
    uint8_t *bytes = make(0, &size);

    ldcache_adopt(&cache, bytes, size);
    visited[0] = '\0';
    ck_assert(ldcache_find(&cache, "libz.so.1", X86_64, visit, &cache));
    ck_assert_str_eq(visited, "/lib/libz.so.1 ");
    ck_assert(!ldcache_find(&cache, "none", X86_64, visit, &cache));
    ldcache_finish(&cache);
}
END_TEST

START_TEST(old_table_in_front_is_skipped)
{
    struct ldcache cache;
    size_t size;
    uint8_t *bytes = make_with_old(&size);

    ldcache_adopt(&cache, bytes, size);
    find(&cache, "liba.so.1", X86_64, "/lib/liba.so.1 ");
    ldcache_finish(&cache);
}
END_TEST

START_TEST(other_byte_order_is_read)
{
    struct ldcache cache;
    size_t size;
    uint8_t *bytes = make(0, &size);

    for (size_t at = 20; at < HEADER + ROWS * ENTRY; at += 4) {
        uint32_t word;

        memcpy(&word, bytes + at, 4);
        if (at != 28)
            put(bytes + at, __builtin_bswap32(word));
    }
    bytes[28] = 3;
    ldcache_adopt(&cache, bytes, size);
    find(&cache, "liba.so.1", X86_64, "/lib/liba.so.1 ");
    ldcache_finish(&cache);
}
END_TEST

START_TEST(what_is_no_cache_is_empty)
{
    static const char *const paths[] = {"/nonexistent", "/", "/dev/null", "/proc/self/exe"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct ldcache cache;

        ck_assert(ldcache_load(&cache, paths[i]));
        ck_assert_uint_eq(cache.entries, 0);
        find(&cache, "libc.so.6", X86_64, "");
        ldcache_finish(&cache);
    }
}
END_TEST

/* An exact copy, so that a tool for memory errors sees one byte too far. */
static void try_bytes(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    struct ldcache cache;

    memcpy(copy, bytes, size);
    ldcache_adopt(&cache, copy, size);
    visited[0] = '\0';
    ldcache_find(&cache, "liba.so.1", X86_64, visit, NULL);
    ck_assert_uint_lt(strlen(visited), sizeof(visited));
    ldcache_finish(&cache);
}

START_TEST(every_cut_is_survived)
{
    size_t size;
    uint8_t *bytes = make_with_old(&size);

    for (size_t part = 0; part <= size; part++)
        try_bytes(bytes, part);
    free(bytes);
}
END_TEST

START_TEST(every_wrong_byte_is_survived)
{
    static const uint8_t wrong[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    size_t size;
    uint8_t *bytes = make_with_old(&size);

    for (size_t at = 0; at < size; at++) {
        uint8_t right = bytes[at];

        for (size_t i = 0; i < sizeof(wrong); i++) {
            bytes[at] = wrong[i];
            try_bytes(bytes, size);
        }
        bytes[at] = right;
    }
    free(bytes);
}
END_TEST

START_TEST(offsets_out_of_the_file_void_the_entry_only)
{
    struct ldcache cache;
    size_t size;
    uint8_t *bytes = make(0, &size);

    put(bytes + HEADER + 2 * ENTRY + 8, UINT32_MAX);
    put(bytes + HEADER + 3 * ENTRY + 4, (uint32_t)size);
    bytes[size - 1] = 'x'; /* the last string has no end */
    ldcache_adopt(&cache, bytes, size);
    find(&cache, "libz.so.1", X86_64, "");
    find(&cache, "liba.so.1", X86_64, "");
    find(&cache, "libz.so.1", AARCH64, "/arm/libz.so.1 ");
    ldcache_finish(&cache);
}
END_TEST

START_TEST(more_entries_than_bytes_is_no_table)
{
    struct ldcache cache;
    size_t size;
    uint8_t *bytes = make(0, &size);

    put(bytes + 20, UINT32_MAX);
    ldcache_adopt(&cache, bytes, size);
    ck_assert_uint_eq(cache.entries, 0);
    ldcache_finish(&cache);
}
END_TEST

START_TEST(real_cache_has_libc)
{
    struct ldcache cache;

    if (access("/etc/ld.so.cache", R_OK) != 0)
        return;
    ck_assert(ldcache_load(&cache, "/etc/ld.so.cache"));
    ck_assert_uint_gt(cache.entries, 0);
    ldcache_finish(&cache);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        entries_are_found_by_name_and_machine,
        visit_ends_the_search,
        old_table_in_front_is_skipped,
        other_byte_order_is_read,
        what_is_no_cache_is_empty,
        every_cut_is_survived,
        every_wrong_byte_is_survived,
        offsets_out_of_the_file_void_the_entry_only,
        more_entries_than_bytes_is_no_table,
        real_cache_has_libc,
    };

    return run_suite("ldcache", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}

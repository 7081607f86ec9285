/* SPDX-License-Identifier: MIT
 *
 * Hash functions by known values, and chains.
 */
#include "elf/hash.h"
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

START_TEST(hash_functions_give_the_published_values)
{
    /* The examples of the GNU hash section's description, and of the gABI's function. */
    ck_assert_uint_eq(hash_gnu(""), 0x00001505);
    ck_assert_uint_eq(hash_gnu("printf"), 0x156b2bb8);
    ck_assert_uint_eq(hash_gnu("exit"), 0x7c967e3f);
    ck_assert_uint_eq(hash_gnu("syscall"), 0xbac212a0);
    ck_assert_uint_eq(hash_sysv(""), 0);
    ck_assert_uint_eq(hash_sysv("printf"), 0x077905a6);
    ck_assert_uint_eq(hash_sysv("exit"), 0x0006cf04);
    ck_assert_uint_eq(hash_sysv("syscall"), 0x0b09985c);
}
END_TEST

static bool reaches(const struct hash_table *table, const char *name, uint32_t symbol)
{
    uint32_t at = table->words[2 + hash_sysv(name) % table->buckets];

    while (at != 0 && at != symbol)
        at = table->words[2 + table->buckets + at];
    return at == symbol;
}

START_TEST(a_moved_symbol_is_found_by_its_new_name_and_the_others_by_theirs)
{
    struct fixture f;
    struct hash_table table;
    struct patch_error error;

    fixture_load(&f, "libsysv_hash.so");
    struct image *image = fixture_parse(&f);
    uint32_t symbol = fixture_symbol(image, "recv");
    uint8_t *moved = calloc(image->symbol_count, 1);
    moved[symbol] = 1;
    ck_assert(hash_load(image, &table, &error));
    ck_assert(reaches(&table, "recv", symbol));
    ck_assert(hash_unlink(image, &table, moved, &error));
    ck_assert_uint_eq(moved[symbol], 1);
    ck_assert(!reaches(&table, "recv", symbol));
    hash_link(&table, symbol, "greenify_recv");
    ck_assert(reaches(&table, "greenify_recv", symbol));
    ck_assert(reaches(&table, "calls_poll", fixture_symbol(image, "calls_poll")));
    ck_assert(reaches(&table, "send", fixture_symbol(image, "send")));
    hash_finish(&table);
    free(moved);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_symbol_in_no_chain_loses_its_mark)
{
    struct fixture f;
    struct hash_table table;
    struct patch_error error;

    fixture_load(&f, "libsysv_hash.so");
    struct image *image = fixture_parse(&f);
    uint8_t *moved = calloc(image->symbol_count, 1);
    ck_assert(hash_load(image, &table, &error));
    memset(table.words + 2, 0, 4 * (size_t)table.buckets);
    moved[fixture_symbol(image, "recv")] = 1;
    ck_assert(hash_unlink(image, &table, moved, &error));
    ck_assert_uint_eq(moved[fixture_symbol(image, "recv")], 0);
    hash_finish(&table);
    free(moved);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        hash_functions_give_the_published_values,
        a_moved_symbol_is_found_by_its_new_name_and_the_others_by_theirs,
        a_symbol_in_no_chain_loses_its_mark,
    };
    return FIXTURE_RUN("hash", tests);
}

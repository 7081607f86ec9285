/* SPDX-License-Identifier: MIT
 *
 * DT_GNU_HASH of a patched file, read as the loader reads it.
 */
#include "elf/hash.h"
#include "fixture.h"

#include <string.h>

static uint32_t word(const struct image *image, uint64_t at)
{
    return (uint32_t)image_number(image, image->gnu_hash.offset + at, 4);
}

static uint64_t buckets_at(const struct image *image)
{
    return 16 + (uint64_t)word(image, 8) * image->codec->word;
}

static uint32_t hash_of(const struct image *image, uint32_t symbol)
{
    return word(image, buckets_at(image) + 4ULL * (word(image, 0) + symbol - word(image, 4)));
}

/* By the filter: false means that the loader looks no further. */
static bool may_have(const struct image *image, const char *name)
{
    uint32_t hash = hash_gnu(name);
    uint32_t bits = (uint32_t)image->codec->word * 8;
    uint64_t at = 16 + (uint64_t)(hash / bits % word(image, 8)) * image->codec->word;
    uint64_t filter = image_number(image, image->gnu_hash.offset + at, image->codec->word);

    return (filter >> hash % bits & filter >> (hash >> word(image, 12)) % bits & 1) != 0;
}

static bool finds(const struct image *image, const char *name)
{
    uint32_t hash = hash_gnu(name);
    uint32_t symbol = word(image, buckets_at(image) + 4ULL * (hash % word(image, 0)));

    if (!may_have(image, name))
        return false;
    for (; symbol != 0; symbol++) {
        if ((hash_of(image, symbol) | 1) == (hash | 1) &&
            strcmp(image_symbol_name(image, symbol), name) == 0)
            return true;
        if ((hash_of(image, symbol) & 1) != 0)
            break;
    }
    return false;
}

START_TEST(a_hashed_import_gets_the_hash_of_its_new_name)
{
    struct fixture in;
    struct fixture out;

    fixture_load(&in, "program_hashed");
    struct image *before = fixture_parse(&in);
    uint32_t symbol = fixture_symbol(before, "poll");
    ck_assert_uint_ge(symbol, word(before, 4)); /* or the fixture is not what it is made for */
    ck_assert(finds(before, "stdout"));
    fixture_patch(&in, &fixture_options, &out);
    struct image *after = fixture_parse(&out);
    ck_assert_uint_eq(hash_of(after, symbol) | 1, hash_gnu("greenify_poll") | 1);
    ck_assert_uint_eq(hash_of(after, symbol) & 1, hash_of(before, symbol) & 1);
    ck_assert(may_have(after, "greenify_poll"));
    ck_assert(finds(after, "stdout"));
    image_destroy(before);
    image_destroy(after);
    fixture_finish(&in);
    fixture_finish(&out);
}
END_TEST

START_TEST(the_table_of_a_library_stays_as_it_is)
{
    struct fixture in;
    struct fixture out;

    fixture_load(&in, "liblazy.so");
    fixture_patch(&in, &fixture_options, &out);
    struct image *before = fixture_parse(&in);
    struct image *after = fixture_parse(&out);
    ck_assert_uint_eq(after->gnu_hash.offset, before->gnu_hash.offset);
    ck_assert_mem_eq(out.bytes + after->gnu_hash.offset, in.bytes + before->gnu_hash.offset,
                     before->gnu_hash.size);
    ck_assert(finds(after, "calls_receive"));
    image_destroy(before);
    image_destroy(after);
    fixture_finish(&in);
    fixture_finish(&out);
}
END_TEST

/* A filter that was made from other names as well keeps the bits of those. */
START_TEST(bits_of_unknown_names_stay)
{
    struct fixture in;
    struct fixture out;

    fixture_load(&in, "program_hashed");
    struct image *before = fixture_parse(&in);
    uint64_t filter = before->gnu_hash.offset + 16;
    size_t size = word(before, 8) * before->codec->word;
    memset(in.bytes + filter, 0xff, size);
    fixture_patch(&in, &fixture_options, &out);
    struct image *after = fixture_parse(&out);
    uint32_t bits = 0;
    for (size_t i = 0; i < size; i++)
        bits += (uint32_t)__builtin_popcount(out.bytes[filter + i]);
    ck_assert_uint_ge(bits, size * 8 - 2);
    ck_assert(finds(after, "stdout"));
    image_destroy(before);
    image_destroy(after);
    fixture_finish(&in);
    fixture_finish(&out);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_hashed_import_gets_the_hash_of_its_new_name,
        the_table_of_a_library_stays_as_it_is,
        bits_of_unknown_names_stay,
    };
    return FIXTURE_RUN("gnu_hash", tests);
}

/* SPDX-License-Identifier: MIT
 *
 * The way back, and what stands against it.
 */
#include "error.h"
#include "fixture.h"
#include "io/in_memory.h"
#include "undo_private.h"

#include <stdlib.h>
#include <string.h>

static const char *const layouts[] = {"liblazy.so", "libbss.so", "libtls_bss.so",
                                      "libboth_hashes.so", "libno_cave.so"};

/* Restores and expects it to work, or not. */
static bool restore(const struct fixture *patched, struct fixture *out, struct patch_error *error)
{
    struct image *image = fixture_parse(patched);
    struct undo undo;

    ck_assert(undo_find(image, &undo));
    bool done = in_memory_restore(image, &undo, &out->bytes, &out->size, error);
    image_destroy(image);
    return done;
}

START_TEST(restoring_gives_the_original_byte_for_byte)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        struct fixture original, patched, back;
        struct patch_error error;
        fixture_load(&original, layouts[i]);
        fixture_patch(&original, &fixture_options, &patched);
        ck_assert(restore(&patched, &back, &error));
        ck_assert_uint_eq(back.size, original.size);
        ck_assert_mem_eq(back.bytes, original.bytes, original.size);
        fixture_finish(&original);
        fixture_finish(&patched);
        fixture_finish(&back);
    }
}
END_TEST

START_TEST(restoring_works_without_section_headers)
{
    struct fixture original, patched, back;
    struct patch_error error;

    fixture_load(&original, "liblazy.so");
    fixture_drop_sections(&original);
    fixture_patch(&original, &fixture_options, &patched);
    ck_assert(restore(&patched, &back, &error));
    ck_assert_uint_eq(back.size, original.size);
    ck_assert_mem_eq(back.bytes, original.bytes, original.size);
    fixture_finish(&original);
    fixture_finish(&patched);
    fixture_finish(&back);
}
END_TEST

START_TEST(an_edit_anywhere_afterwards_is_noticed_and_placed)
{
    struct fixture original, patched, back;

    fixture_load(&original, "liblazy.so");
    fixture_patch(&original, &fixture_options, &patched);
    uint64_t text = fixture_section(&patched, ".text")->sh_offset;
    uint64_t comment = fixture_section(&patched, ".comment")->sh_offset;
    const uint64_t places[] = {text, comment};
    for (size_t i = 0; i < 2; i++) {
        struct patch_error error = {0};
        patched.bytes[places[i]] ^= 1;
        ck_assert(!restore(&patched, &back, &error));
        ck_assert_int_eq(error.code, PATCH_CHANGED_SINCE);
        ck_assert(error.has_offset);
        ck_assert_uint_le(error.offset, places[i]);
        ck_assert_uint_lt(places[i] - error.offset, patched.size / 8);
        ck_assert_ptr_nonnull(strstr(error.reason, i == 0 ? ".text" : ".comment"));
        patched.bytes[places[i]] ^= 1;
    }
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

START_TEST(another_size_afterwards_is_noticed_with_both_sizes)
{
    struct fixture original, patched, back;
    struct patch_error error = {0};

    fixture_load(&original, "liblazy.so");
    fixture_patch(&original, &fixture_options, &patched);
    patched.bytes = realloc(patched.bytes, patched.size + 1);
    patched.bytes[patched.size++] = 0;
    ck_assert(!restore(&patched, &back, &error));
    ck_assert_int_eq(error.code, PATCH_CHANGED_SINCE);
    ck_assert_ptr_nonnull(strstr(error.reason, "bytes, then it had"));
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

/* A stripped file still has the whole record, but not the headers that it leads to. */
START_TEST(a_record_is_not_followed_beyond_the_end)
{
    struct fixture original, patched;
    struct patch_error error = {0};
    struct recipe recipe;
    struct undo undo;

    fixture_load(&original, "liblazy.so");
    fixture_patch(&original, &fixture_options, &patched);
    fixture_drop_sections(&patched);
    struct image *image = fixture_parse(&patched);
    ck_assert(undo_find(image, &undo));
    ck_assert(!undo_recipe(image, &undo, &recipe, &error));
    ck_assert_int_eq(error.code, PATCH_CHANGED_SINCE);
    image_destroy(image);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

/* Its checksums would be over bytes that there are not. */
START_TEST(a_record_of_a_longer_file_is_not_sealed)
{
    struct fixture original, patched;
    struct undo_header header;
    struct undo undo;

    fixture_load(&original, "liblazy.so");
    fixture_patch(&original, &fixture_options, &patched);
    struct image *image = fixture_parse(&patched);
    ck_assert(undo_find(image, &undo));
    image_destroy(image);
    ck_assert(in_memory_seal(patched.bytes, patched.size, undo.offset));
    memcpy(&header, patched.bytes + undo.offset, sizeof(header));
    header.original_size++;
    header.patched_size++;
    memcpy(patched.bytes + undo.offset, &header, sizeof(header));
    ck_assert(!in_memory_seal(patched.bytes, patched.size, undo.offset));
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

START_TEST(a_file_that_was_never_patched_has_no_record)
{
    struct fixture original;
    struct undo undo;

    fixture_load(&original, "liblazy.so");
    struct image *image = fixture_parse(&original);
    ck_assert(!undo_find(image, &undo));
    image_destroy(image);
    fixture_finish(&original);
}
END_TEST

/* Each byte of the record broken in turn, the seal renewed: what it says then is hostile, and must
 * end in a refusal or in some bytes, never in a read or write elsewhere. */
START_TEST(no_record_makes_the_patcher_leave_its_buffers)
{
    struct fixture original, patched;

    fixture_load(&original, "libbss.so");
    fixture_patch(&original, &fixture_options, &patched);
    struct image *image = fixture_parse(&patched);
    struct undo undo;
    ck_assert(undo_find(image, &undo));
    image_destroy(image);
    size_t survived = 0;
    for (uint64_t i = 0; i < undo.size; i++) {
        static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
        for (size_t k = 0; k < sizeof(values); k++) {
            struct fixture broken = {malloc(patched.size), patched.size};
            struct fixture back = {0};
            struct patch_error error;
            struct undo found;
            memcpy(broken.bytes, patched.bytes, patched.size);
            broken.bytes[undo.offset + i] = values[k];
            in_memory_seal(broken.bytes, broken.size, undo.offset);
            image = fixture_parse(&broken);
            if (undo_find(image, &found) &&
                in_memory_restore(image, &found, &back.bytes, &back.size, &error)) {
                survived++;
                /* Only what changed nothing can still lead to the original. */
                ck_assert_uint_eq(back.size, original.size);
                ck_assert_mem_eq(back.bytes, original.bytes, original.size);
            }
            fixture_finish(&back);
            image_destroy(image);
            fixture_finish(&broken);
        }
    }
    ck_assert_uint_lt(survived, undo.size * 5);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

static void put_plain_sum(uint8_t *to, const uint8_t *bytes, uint64_t size)
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
    memcpy(to, canonical.digest, sizeof(canonical.digest));
}

/* Records of the first version have plain sums of both files. */
START_TEST(a_record_of_the_first_version_leads_back_too)
{
    enum { VERSION = 7, ORIGINAL = 64, CHUNKS = 88, PATCHED = 120 };
    struct fixture original, patched, back;
    struct patch_error error;
    struct undo undo;

    fixture_load(&original, "libbss.so");
    fixture_patch(&original, &fixture_options, &patched);
    struct image *image = fixture_parse(&patched);
    ck_assert(undo_find(image, &undo));
    image_destroy(image);
    uint8_t *record = patched.bytes + undo.offset;
    record[VERSION] = 1;
    put_plain_sum(record + ORIGINAL, original.bytes, original.size);
    memset(record + CHUNKS, 0, UNDO_HEADER - CHUNKS);
    put_plain_sum(record + PATCHED, patched.bytes, patched.size);
    ck_assert(restore(&patched, &back, &error));
    ck_assert_uint_eq(back.size, original.size);
    ck_assert_mem_eq(back.bytes, original.bytes, original.size);
    fixture_finish(&back);
    patched.bytes[fixture_section(&patched, ".comment")->sh_offset] ^= 1;
    ck_assert(!restore(&patched, &back, &error));
    ck_assert_int_eq(error.code, PATCH_CHANGED_SINCE);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

/* What the patch put in is summed apart from what it left. */
START_TEST(an_edit_of_what_was_put_in_is_noticed)
{
    struct fixture original, patched, back;
    struct undo undo;

    fixture_load(&original, "libbss.so");
    fixture_patch(&original, &fixture_options, &patched);
    struct image *image = fixture_parse(&patched);
    ck_assert(undo_find(image, &undo));
    uint64_t places[] = {undo.offset - 1, undo.offset + undo.size, image->strings.offset,
                         image_dynamic_offset(image, image_dynamic(image, DT_NEEDED)) + 8};
    image_destroy(image);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct patch_error error = {0};
        patched.bytes[places[i]] ^= 0x20;
        struct image *broken = NULL;
        if (image_parse(patched.bytes, patched.size, &broken, &error)) {
            ck_assert(!in_memory_restore(broken, &undo, &back.bytes, &back.size, &error));
            ck_assert_int_eq(error.code, PATCH_CHANGED_SINCE);
        }
        image_destroy(broken);
        patched.bytes[places[i]] ^= 0x20;
    }
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

START_TEST(a_record_stays_small)
{
    struct undo_run runs[2] = {{100, 4}, {200, 16}};

    ck_assert_uint_le(undo_size(runs, 2), 136 + 2 * 2 + 20);
    ck_assert_uint_eq(undo_size(NULL, 0), 136);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        restoring_gives_the_original_byte_for_byte,
        restoring_works_without_section_headers,
        an_edit_anywhere_afterwards_is_noticed_and_placed,
        another_size_afterwards_is_noticed_with_both_sizes,
        a_record_is_not_followed_beyond_the_end,
        a_record_of_a_longer_file_is_not_sealed,
        a_file_that_was_never_patched_has_no_record,
        no_record_makes_the_patcher_leave_its_buffers,
        a_record_of_the_first_version_leads_back_too,
        an_edit_of_what_was_put_in_is_noticed,
        a_record_stays_small,
    };
    return FIXTURE_RUN("undo", tests);
}

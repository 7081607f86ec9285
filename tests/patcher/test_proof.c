/* SPDX-License-Identifier: MIT
 *
 * The proof that nothing but the declared edits was made: it holds for every layout, and no other
 * byte can change without being found.
 */
#include "check/proof.h"
#include "fixture.h"
#include "undo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A fixture and what it becomes. */
struct pair {
    struct fixture before;
    struct fixture after;
    struct image *original;
};

static void pair_patch(struct pair *pair, const struct patch_options *options)
{
    fixture_patch(&pair->before, options, &pair->after);
    pair->original = fixture_parse(&pair->before);
}

static void pair_load(struct pair *pair, const char *name)
{
    fixture_load(&pair->before, name);
    pair_patch(pair, &fixture_options);
}

/* Neither a cave nor, by the options, an extension serves. */
static void pair_load_segment(struct pair *pair)
{
    struct patch_options options = fixture_options;

    options.bss_limit = 1;
    fixture_load(&pair->before, "libbss.so");
    fixture_fill_caves(&pair->before);
    pair_patch(pair, &options);
}

static void pair_finish(struct pair *pair)
{
    image_destroy(pair->original);
    fixture_finish(&pair->before);
    fixture_finish(&pair->after);
}

/* Whether `after` passes; what is no library any more does not. */
static bool proves(const struct pair *pair, char *text)
{
    struct image *patched;

    snprintf(text, PROOF_TEXT, "not parsed");
    if (!image_parse(pair->after.bytes, pair->after.size, &patched, NULL))
        return false;
    bool holds = proof_make(pair->original, patched, &fixture_options, text);
    image_destroy(patched);
    return holds;
}

static void expect_proof(const struct pair *pair, const char *part)
{
    char text[PROOF_TEXT];

    ck_assert_msg(proves(pair, text), "%s", text);
    ck_assert_msg(strstr(text, part) != NULL, "%s", text);
}

static void expect_refuted(const struct pair *pair, const char *part)
{
    char text[PROOF_TEXT];

    ck_assert_msg(!proves(pair, text), "%s", text);
    ck_assert_msg(strstr(text, part) != NULL, "%s", text);
}

START_TEST(every_layout_is_proved)
{
    static const char *const names[] = {"liblazy.so",  "libnow.so",     "libbss.so",
                                        "libibt.so",   "libtls_bss.so", "libsysv_hash.so",
                                        "librelr.so",  "libno_plt.so",  "libboth_hashes.so",
                                        "program_pie", "program_hashed"};
    struct pair pair;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!fixture_exists(names[i]))
            continue;
        pair_load(&pair, names[i]);
        expect_proof(&pair, " st_name, ");
        pair_finish(&pair);
    }
    pair_load_segment(&pair);
    expect_proof(&pair, "2 ELF header fields");
    pair_finish(&pair);
}
END_TEST

START_TEST(what_is_counted_is_what_differs)
{
    struct pair pair;
    char text[PROOF_TEXT];
    unsigned long total = 0;
    uint64_t differing = 0;

    pair_load(&pair, "liblazy.so");
    ck_assert_uint_eq(pair.before.size, pair.after.size);
    for (uint64_t i = 0; i < pair.before.size; i++)
        differing += pair.before.bytes[i] != pair.after.bytes[i];
    ck_assert(proves(&pair, text));
    ck_assert_int_eq(sscanf(text, "%lu bytes differ: 3 st_name, 3 symbol versions, ", &total), 1);
    /* Zeros in the new table are new, but no other bytes than before. */
    ck_assert_uint_ge(total, differing);
    ck_assert_uint_lt(total - differing, 250);
    pair_finish(&pair);
}
END_TEST

START_TEST(a_file_is_itself)
{
    struct pair pair;

    pair_load(&pair, "liblazy.so");
    memcpy(pair.after.bytes, pair.before.bytes, pair.before.size);
    expect_proof(&pair, "no byte differs");
    pair_finish(&pair);
}
END_TEST

/* In the old bytes every single change shows; what is left is inside the undo record, which has a
 * checksum of its own. */
static void flip_each_byte(struct pair *pair, uint64_t step)
{
    uint64_t strings = 0;
    uint64_t end = 0;
    struct image *patched = fixture_parse(&pair->after);
    char text[PROOF_TEXT];

    strings = patched->strings.offset + pair->original->strings.size;
    end = patched->strings.offset + patched->strings.size;
    image_destroy(patched);
    for (uint64_t at = 0; at < pair->after.size; at += step) {
        uint8_t bit = (uint8_t)(1u << at % 8);
        if (at >= strings && at < end)
            continue;
        pair->after.bytes[at] ^= bit;
        ck_assert_msg(!proves(pair, text), "the byte at 0x%lx can change: %s", (unsigned long)at,
                      text);
        pair->after.bytes[at] ^= bit;
    }
    ck_assert_msg(proves(pair, text), "%s", text);
}

START_TEST(no_byte_can_change_unseen)
{
    static const char *const names[] = {"liblazy.so", "libsysv_hash.so", "libboth_hashes.so",
                                        "liblld.so", "program_hashed"};
    struct pair pair;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!fixture_exists(names[i]))
            continue;
        pair_load(&pair, names[i]);
        flip_each_byte(&pair, 1);
        pair_finish(&pair);
    }
}
END_TEST

START_TEST(no_byte_of_a_file_that_grew_can_change_unseen)
{
    struct pair pair;

    pair_load(&pair, "libtls_bss.so");
    flip_each_byte(&pair, 1);
    pair_finish(&pair);
    pair_load_segment(&pair);
    flip_each_byte(&pair, 3);
    pair_finish(&pair);
}
END_TEST

static uint32_t state = 1;

/* Numerical Recipes' generator: the same numbers in each run. */
static uint32_t number(uint32_t limit)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(state >> 4) * limit >> 28);
}

/* Overwrites some bytes, most of them in the headers and tables at the beginning; keeps a copy. */
static void mutate(struct fixture *f, uint8_t *copy)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff, 8, 16};

    memcpy(copy, f->bytes, f->size);
    for (uint32_t i = 0; i <= number(6); i++) {
        uint32_t limit = number(4) != 0 ? 2048 : (uint32_t)f->size;
        uint32_t place = number(limit);
        uint32_t size = number(3) == 0 ? 8 : 1;
        if (place + size <= f->size)
            memset(f->bytes + place, values[number(sizeof(values))], size);
    }
}

/* Whether `after` differs from the copy in its undo record alone. */
static bool in_record(const struct pair *pair, const uint8_t *copy)
{
    struct image *patched;
    struct undo undo;

    if (!image_parse(pair->after.bytes, pair->after.size, &patched, NULL))
        return false;
    bool found = undo_find(patched, &undo);
    image_destroy(patched);
    for (uint64_t i = 0; i < pair->after.size; i++)
        if (pair->after.bytes[i] != copy[i] &&
            (!found || i < undo.offset || i >= undo.offset + undo.size))
            return false;
    return true;
}

/* Whatever either file says of itself, the proof ends, and holds for no file that was changed. Of
 * an original it may, in what the edits take away. */
START_TEST(mutated_files_are_refuted)
{
    static const char *const names[] = {"libboth_hashes.so", "libtls_bss.so", "program_hashed"};
    char text[PROOF_TEXT];
    struct pair pair;

    for (uint32_t i = 0; i < 1500; i++) {
        pair_load(&pair, names[i % 3]);
        uint8_t *copy = malloc(pair.after.size);
        struct fixture *target = number(2) == 0 ? &pair.before : &pair.after;
        mutate(target, copy);
        bool same = memcmp(copy, target->bytes, target->size) == 0;
        struct image *original = NULL;
        if (image_parse(pair.before.bytes, pair.before.size, &original, NULL)) {
            image_destroy(pair.original);
            pair.original = original;
            bool holds = proves(&pair, text);
            ck_assert_msg(target == &pair.before || holds == same || in_record(&pair, copy),
                          "%u: %s", i, text);
        }
        free(copy);
        pair_finish(&pair);
    }
}
END_TEST

START_TEST(a_new_name_that_is_not_the_old_one_with_the_prefix_is_found)
{
    struct pair pair;

    pair_load(&pair, "liblazy.so");
    struct image *patched = fixture_parse(&pair.after);
    uint64_t poll = image_symbol_offset(patched, fixture_symbol(patched, "greenify_poll"));
    uint64_t send = image_symbol_offset(patched, fixture_symbol(patched, "greenify_send"));
    image_destroy(patched);
    ((Elf64_Sym *)(void *)(pair.after.bytes + poll))->st_name =
        ((Elf64_Sym *)(void *)(pair.after.bytes + send))->st_name;
    expect_refuted(&pair, "poll got the name greenify_send");
    pair_finish(&pair);
}
END_TEST

START_TEST(a_symbol_that_the_library_defines_keeps_its_name)
{
    struct pair pair;

    pair_load(&pair, "liblazy.so");
    struct image *patched = fixture_parse(&pair.after);
    uint64_t own = image_symbol_offset(patched, fixture_symbol(patched, "calls_poll"));
    uint64_t send = image_symbol_offset(patched, fixture_symbol(patched, "greenify_send"));
    image_destroy(patched);
    ((Elf64_Sym *)(void *)(pair.after.bytes + own))->st_name =
        ((Elf64_Sym *)(void *)(pair.after.bytes + send))->st_name;
    expect_refuted(&pair, "calls_poll is defined here");
    pair_finish(&pair);
}
END_TEST

START_TEST(a_library_that_is_not_the_runtime_may_not_be_needed)
{
    struct pair pair;

    pair_load(&pair, "liblazy.so");
    char *name = memmem(pair.after.bytes, pair.after.size, "libgreen.so.1", 13);
    ck_assert_ptr_nonnull(name);
    name[3] = 'G';
    expect_refuted(&pair, "needs libGreen.so.1, which is not the runtime");
    pair_finish(&pair);
}
END_TEST

START_TEST(a_string_that_nothing_refers_to_is_found)
{
    struct pair pair;

    pair_load(&pair, "liblazy.so");
    struct image *patched = fixture_parse(&pair.after);
    uint64_t poll = image_symbol_offset(patched, fixture_symbol(patched, "greenify_poll"));
    uint64_t old = image_symbol_offset(pair.original, fixture_symbol(pair.original, "poll"));
    uint64_t index = fixture_symbol(patched, "greenify_poll");
    uint64_t version = patched->versions.offset + 2 * index;
    image_destroy(patched);
    memcpy(pair.after.bytes + poll, pair.before.bytes + old, sizeof(Elf64_Sym));
    memcpy(pair.after.bytes + version, pair.before.bytes + version, 2);
    expect_refuted(&pair, "a string that nothing refers to");
    pair_finish(&pair);
}
END_TEST

START_TEST(a_table_over_something_else_is_found)
{
    struct pair pair;
    Elf64_Shdr *section;

    pair_load(&pair, "liblazy.so");
    struct image *patched = fixture_parse(&pair.after);
    section = fixture_section(&pair.before, ".comment");
    section->sh_offset = patched->strings.offset;
    *fixture_section(&pair.after, ".comment") = *section;
    image_destroy(patched);
    image_destroy(pair.original);
    pair.original = fixture_parse(&pair.before);
    expect_refuted(&pair, "overwrites what the original has there");
    pair_finish(&pair);
}
END_TEST

START_TEST(a_shorter_file_is_no_patched_one)
{
    struct pair pair;

    pair_load(&pair, "libbss.so");
    pair.after.size = pair.before.size;
    memcpy(pair.after.bytes, pair.before.bytes, pair.after.size);
    fixture_drop_sections(&pair.after);
    expect_refuted(&pair, "bytes are missing");
    pair_finish(&pair);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_layout_is_proved,
        what_is_counted_is_what_differs,
        a_file_is_itself,
        no_byte_can_change_unseen,
        no_byte_of_a_file_that_grew_can_change_unseen,
        mutated_files_are_refuted,
        a_new_name_that_is_not_the_old_one_with_the_prefix_is_found,
        a_symbol_that_the_library_defines_keeps_its_name,
        a_library_that_is_not_the_runtime_may_not_be_needed,
        a_string_that_nothing_refers_to_is_found,
        a_table_over_something_else_is_found,
        a_shorter_file_is_no_patched_one,
    };
    return FIXTURE_RUN("proof", tests);
}

/* SPDX-License-Identifier: MIT
 *
 * A folder in front of the run path: where it is written, that it leads back, and when it cannot
 * be.
 */
#include "fixture.h"
#include "loader/runpath.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct patch_options with_folder(void)
{
    struct patch_options options = fixture_options;

    options.runpath = "$ORIGIN";
    return options;
}

/* Gives the fixture a run path, `tag`, of a string that it has: the name of libc. */
static void give_path(struct fixture *fixture, int64_t tag)
{
    Elf64_Dyn *needed = fixture_dynamic(fixture, DT_NEEDED);
    Elf64_Dyn *end = fixture_dynamic(fixture, DT_NULL);

    *end = *needed;
    end->d_tag = tag;
}

/* The value of `tag` in the file once it was patched. */
static void check_patched(const struct fixture *in, const struct patch_options *options,
                          int64_t tag, const char *expected)
{
    struct fixture out;
    struct image *image;
    const Elf64_Dyn *entry;

    fixture_patch(in, options, &out);
    image = fixture_parse(&out);
    entry = image_dynamic(image, tag);
    ck_assert_ptr_nonnull(entry);
    ck_assert_str_eq(image_string(image, entry->d_un.d_val), expected);
    ck_assert(!runpath_wanted(image, options));
    image_destroy(image);
    fixture_finish(&out);
}

START_TEST(library_without_one_gets_one)
{
    struct patch_options options = with_folder();
    struct fixture fixture;

    fixture_load(&fixture, "liblazy.so");
    check_patched(&fixture, &options, DT_RUNPATH, "$ORIGIN");
    fixture_finish(&fixture);
}
END_TEST

START_TEST(old_folders_follow)
{
    static const int64_t tags[] = {DT_RUNPATH, DT_RPATH};
    struct patch_options options = with_folder();

    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture;
        struct image *image;
        char expected[80];

        fixture_load(&fixture, "liblazy.so");
        give_path(&fixture, tags[i]);
        image = fixture_parse(&fixture);
        snprintf(expected, sizeof(expected), "$ORIGIN:%s",
                 image_string(image, image_dynamic(image, tags[i])->d_un.d_val));
        image_destroy(image);
        check_patched(&fixture, &options, tags[i], expected);
        fixture_finish(&fixture);
    }
}
END_TEST

START_TEST(first_folder_is_not_written_twice)
{
    static const struct {
        const char *folder;
        bool wanted;
    } rows[] = {{NULL, false}, {"libc.so.6", false}, {"libc.so", true}, {"libc.so.6x", true}};
    struct patch_options options = fixture_options;
    struct fixture fixture;
    struct image *image;

    fixture_load(&fixture, "liblazy.so");
    give_path(&fixture, DT_RUNPATH);
    image = fixture_parse(&fixture);
    ck_assert_str_eq(image_string(image, runpath_entry(image)->d_un.d_val), "libc.so.6");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        options.runpath = rows[i].folder;
        ck_assert_int_eq(runpath_wanted(image, &options), rows[i].wanted);
    }
    image_destroy(image);
    fixture_finish(&fixture);
}
END_TEST

START_TEST(no_slot_is_a_refusal)
{
    struct patch_options options = with_folder();
    struct fixture fixture;
    struct patch_error error;
    Elf64_Phdr *segment;
    Elf64_Dyn *last;

    fixture_load(&fixture, "liblazy.so");
    segment = fixture_segment(&fixture, PT_DYNAMIC, 0);
    last = (Elf64_Dyn *)(fixture.bytes + segment->p_offset + segment->p_filesz) - 1;
    for (Elf64_Dyn *spare = fixture_dynamic(&fixture, DT_NULL); spare < last; spare++)
        spare->d_tag = DT_DEBUG;
    error = fixture_refusal(&fixture, &options);
    ck_assert_int_eq(error.code, PATCH_NO_DYNAMIC_SLOT);
    ck_assert_str_eq(error.table, ".dynamic");
    ck_assert_uint_eq(error.offset, fixture_offset(&fixture, last));
    fixture_finish(&fixture);
}
END_TEST

START_TEST(libraries_with_nothing_to_redirect_get_one_too)
{
    static const char *const none[] = {NULL};
    struct patch_options options = with_folder();
    struct fixture fixture;

    options.functions = none;
    fixture_load(&fixture, "libplain.so");
    check_patched(&fixture, &options, DT_RUNPATH, "$ORIGIN");
    fixture_finish(&fixture);
}
END_TEST

/* Prepares and commits; the outcome. */
static enum patch_outcome patch_file(const char *path, const struct patch_options *options,
                                     bool revert)
{
    struct patch_change *change = NULL;
    struct patch_error error = {0};
    enum patch_outcome outcome =
        revert ? patch_prepare_revert(path, NULL, options, &change, NULL, &error)
               : patch_prepare(path, NULL, options, &change, NULL, &error);

    ck_assert_msg(outcome != PATCH_FAILED, "%s", error.reason);
    if (outcome == PATCH_READY)
        ck_assert(patch_commit(change, &error));
    return outcome;
}

START_TEST(it_leads_back_byte_for_byte)
{
    struct patch_options options = with_folder();
    const char *path = fixture_copy("liblazy.so", "copy.so");
    struct fixture before;
    struct fixture after;

    fixture_load(&before, "liblazy.so");
    ck_assert_int_eq(patch_file(path, &options, false), PATCH_READY);
    ck_assert_int_eq(patch_file(path, &options, false), PATCH_NOTHING);
    ck_assert_int_eq(patch_file(path, &options, true), PATCH_READY);
    fixture_read(&after, path);
    ck_assert_uint_eq(after.size, before.size);
    ck_assert_mem_eq(after.bytes, before.bytes, before.size);
    fixture_finish(&before);
    fixture_finish(&after);
}
END_TEST

START_TEST(it_is_added_to_a_patched_file_and_kept_by_the_next_patch)
{
    static const char *const one[] = {"recv", NULL};
    struct patch_options narrow = fixture_options;
    struct patch_options options = with_folder();
    const char *path = fixture_copy("liblazy.so", "copy.so");
    struct fixture before;
    struct fixture after;
    struct image *image;

    narrow.functions = one;
    options.functions = one;
    fixture_load(&before, "liblazy.so");
    ck_assert_int_eq(patch_file(path, &narrow, false), PATCH_READY);
    ck_assert_int_eq(patch_file(path, &options, false), PATCH_READY);
    ck_assert_int_eq(patch_file(path, &fixture_options, false), PATCH_READY);
    fixture_read(&after, path);
    image = fixture_parse(&after);
    ck_assert_str_eq(image_string(image, runpath_entry(image)->d_un.d_val), "$ORIGIN");
    image_destroy(image);
    fixture_finish(&after);
    ck_assert_int_eq(patch_file(path, &fixture_options, true), PATCH_READY);
    fixture_read(&after, path);
    ck_assert_uint_eq(after.size, before.size);
    ck_assert_mem_eq(after.bytes, before.bytes, before.size);
    fixture_finish(&before);
    fixture_finish(&after);
}
END_TEST

/* --- contents and copies ---------------------------------------------------------------------- */

static void add_up(void *context, const void *bytes, size_t size)
{
    struct fixture *sum = context;

    sum->bytes = realloc(sum->bytes, sum->size + size);
    memcpy(sum->bytes + sum->size, bytes, size);
    sum->size += size;
}

START_TEST(contents_replace_a_file_with_its_mode)
{
    const char *path = fixture_copy("libplain.so", "list");
    struct patch_change *change;
    struct patch_error error;
    struct fixture seen = {0};
    struct fixture after;
    struct stat status;

    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert(patch_prepare_contents(path, NULL, "new\n", 4, &fixture_options, &change, &error));
    ck_assert(patch_change_read(change, add_up, &seen, &error));
    ck_assert_uint_eq(seen.size, 4);
    ck_assert_mem_eq(seen.bytes, "new\n", 4);
    ck_assert(patch_commit(change, &error));
    fixture_read(&after, path);
    ck_assert_uint_eq(after.size, 4);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0640);
    free(seen.bytes);
    fixture_finish(&after);
}
END_TEST

START_TEST(copy_is_the_same)
{
    const char *path = fixture_copy("libplain.so", "from.so");
    struct patch_change *change;
    struct patch_error error;
    struct fixture from;
    struct fixture to;

    ck_assert(
        patch_prepare_copy(path, fixture_temporary("to.so"), &fixture_options, &change, &error));
    ck_assert_uint_eq(fixture_folder_count(), 1);
    ck_assert(patch_commit(change, &error));
    fixture_read(&from, path);
    fixture_read(&to, fixture_temporary("to.so"));
    ck_assert_uint_eq(from.size, to.size);
    ck_assert_mem_eq(from.bytes, to.bytes, from.size);
    fixture_finish(&from);
    fixture_finish(&to);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    struct patch_change *change;
    struct patch_error error;

    ck_assert(!patch_prepare_contents(fixture_temporary("none"), NULL, "", 0, &fixture_options,
                                      &change, &error));
    ck_assert_int_eq(error.code, PATCH_SYSTEM);
    ck_assert(!patch_prepare_copy("/dev/null", fixture_temporary("to"), &fixture_options, &change,
                                  &error));
    ck_assert_int_eq(error.code, PATCH_NOT_REGULAR);
    ck_assert_uint_eq(fixture_folder_count(), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        library_without_one_gets_one,
        old_folders_follow,
        first_folder_is_not_written_twice,
        no_slot_is_a_refusal,
        libraries_with_nothing_to_redirect_get_one_too,
        it_leads_back_byte_for_byte,
        it_is_added_to_a_patched_file_and_kept_by_the_next_patch,
        contents_replace_a_file_with_its_mode,
        copy_is_the_same,
        what_is_no_file_is_refused,
    };

    return FIXTURE_RUN("runpath", tests);
}

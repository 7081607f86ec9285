/* SPDX-License-Identifier: MIT
 *
 * The public calls on real files: prepare, commit, discard, revert, and what becomes of attributes.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *const only_recv[] = {"recv", NULL};

static enum patch_outcome patch(const char *path, const char *output,
                                const struct patch_options *options, struct patch_error *error)
{
    struct patch_change *change = NULL;
    enum patch_outcome outcome = patch_prepare(path, output, options, &change, NULL, error);

    if (outcome == PATCH_READY)
        ck_assert(patch_commit(change, error));
    return outcome;
}

static enum patch_outcome revert(const char *path, struct patch_error *error)
{
    struct patch_change *change = NULL;
    enum patch_outcome outcome =
        patch_prepare_revert(path, NULL, &fixture_options, &change, NULL, error);

    if (outcome == PATCH_READY)
        ck_assert(patch_commit(change, error));
    return outcome;
}

static void check_same(const char *path, const struct fixture *expected)
{
    struct fixture now;

    fixture_read(&now, path);
    ck_assert_uint_eq(now.size, expected->size);
    ck_assert_mem_eq(now.bytes, expected->bytes, now.size);
    fixture_finish(&now);
}

START_TEST(patch_then_revert_gives_the_original_and_leaves_no_litter)
{
    struct fixture original;
    struct patch_error error;
    const char *path = fixture_copy("liblazy.so", "a.so");

    fixture_read(&original, path);
    ck_assert_int_eq(patch(path, NULL, &fixture_options, &error), PATCH_READY);
    ck_assert_int_eq(revert(path, &error), PATCH_READY);
    check_same(path, &original);
    ck_assert_int_eq(revert(path, &error), PATCH_NOTHING);
    ck_assert_uint_eq(fixture_folder_count(), 1);
    fixture_finish(&original);
}
END_TEST

START_TEST(patching_twice_does_nothing)
{
    struct fixture once;
    struct patch_error error;
    const char *path = fixture_copy("libbss.so", "a.so");

    ck_assert_int_eq(patch(path, NULL, &fixture_options, &error), PATCH_READY);
    fixture_read(&once, path);
    ck_assert_int_eq(patch(path, NULL, &fixture_options, &error), PATCH_NOTHING);
    check_same(path, &once);
    fixture_finish(&once);
}
END_TEST

START_TEST(patching_for_more_functions_keeps_one_way_back)
{
    struct fixture original, wide;
    struct patch_error error;
    struct patch_options narrow = fixture_options;
    const char *path = fixture_copy("liblazy.so", "a.so");

    narrow.functions = only_recv;
    fixture_read(&original, path);
    fixture_patch(&original, &fixture_options, &wide);
    ck_assert_int_eq(patch(path, NULL, &narrow, &error), PATCH_READY);
    ck_assert_int_eq(patch(path, NULL, &fixture_options, &error), PATCH_READY);
    check_same(path, &wide); /* as if patched once */
    ck_assert_int_eq(patch(path, NULL, &narrow, &error), PATCH_NOTHING);
    ck_assert_int_eq(revert(path, &error), PATCH_READY);
    check_same(path, &original);
    fixture_finish(&wide);
    fixture_finish(&original);
}
END_TEST

START_TEST(patching_for_other_functions_keeps_the_earlier_ones)
{
    static const char *const only_poll[] = {"poll", NULL};
    struct patch_error error;
    struct patch_scan *scan;
    struct patch_options first = fixture_options;
    struct patch_options second = fixture_options;
    const char *path = fixture_copy("liblazy.so", "a.so");
    size_t redirected = 0;

    first.functions = only_recv;
    second.functions = only_poll;
    ck_assert_int_eq(patch(path, NULL, &first, &error), PATCH_READY);
    ck_assert_int_eq(patch(path, NULL, &second, &error), PATCH_READY);
    ck_assert(patch_scan(path, &fixture_options, &scan, &error));
    for (size_t i = 0; i < scan->import_count; i++)
        redirected += scan->imports[i].redirected;
    ck_assert_uint_eq(redirected, 2);
    ck_assert(scan->patched && scan->reverts);
    patch_scan_destroy(scan);
}
END_TEST

START_TEST(patching_on_top_of_a_later_edit_works_and_leads_back_to_that)
{
    struct fixture edited;
    struct patch_error error;
    struct patch_options narrow = fixture_options;
    const char *path = fixture_copy("liblazy.so", "a.so");

    narrow.functions = only_recv;
    ck_assert_int_eq(patch(path, NULL, &narrow, &error), PATCH_READY);
    fixture_read(&edited, path);
    edited.bytes[fixture_section(&edited, ".comment")->sh_offset] ^= 1;
    fixture_write(&edited, path);
    ck_assert_int_eq(revert(path, &error), PATCH_FAILED);
    ck_assert_int_eq(error.code, PATCH_CHANGED_SINCE);
    check_same(path, &edited);
    ck_assert_int_eq(patch(path, NULL, &fixture_options, &error), PATCH_READY);
    ck_assert_int_eq(revert(path, &error), PATCH_READY);
    check_same(path, &edited);
    fixture_finish(&edited);
}
END_TEST

START_TEST(redirected_imports_without_a_record_cannot_be_reverted)
{
    struct fixture f;
    struct patch_error error;
    const char *path = fixture_copy("liblazy.so", "a.so");

    ck_assert_int_eq(patch(path, NULL, &fixture_options, &error), PATCH_READY);
    fixture_read(&f, path);
    uint8_t *record = memmem(f.bytes, f.size, "\x7fungree", 7);
    ck_assert_ptr_nonnull(record);
    record[0] = 'x';
    fixture_write(&f, path);
    ck_assert_int_eq(revert(path, &error), PATCH_FAILED);
    ck_assert_int_eq(error.code, PATCH_CHANGED_SINCE);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_dry_run_reports_and_writes_nothing)
{
    struct fixture original;
    struct patch_error error;
    struct patch_report report;
    const char *path = fixture_copy("libbss.so", "a.so");

    fixture_read(&original, path);
    ck_assert_int_eq(patch_prepare(path, NULL, &fixture_options, NULL, &report, &error),
                     PATCH_READY);
    ck_assert_int_eq(report.layout, PATCH_LAYOUT_EXTENSION);
    ck_assert_str_eq(report.needed_slot, "spare");
    ck_assert_str_eq(report.machine, "x86-64");
    ck_assert_uint_eq(report.redirected, 3);
    ck_assert_uint_eq(report.relocations, 5);
    ck_assert_str_eq(report.names[0], "poll");
    ck_assert_str_eq(report.names[2], "send");
    ck_assert_uint_eq(report.size_before, original.size);
    ck_assert_uint_gt(report.size_after, original.size + 20000);
    patch_report_finish(&report);
    check_same(path, &original);
    ck_assert_uint_eq(fixture_folder_count(), 1);
    fixture_finish(&original);
}
END_TEST

START_TEST(nothing_is_visible_before_the_commit_and_after_a_discard)
{
    struct fixture original;
    struct patch_error error;
    struct patch_change *change;
    const char *path = fixture_copy("liblazy.so", "a.so");

    fixture_read(&original, path);
    ck_assert_int_eq(patch_prepare(path, NULL, &fixture_options, &change, NULL, &error),
                     PATCH_READY);
    check_same(path, &original);
    patch_discard(change);
    check_same(path, &original);
    ck_assert_uint_eq(fixture_folder_count(), 1);
    patch_discard(NULL);
    fixture_finish(&original);
}
END_TEST

/* A limit of the file size stands in for a full disk: write() fails in the middle. */
START_TEST(a_write_that_fails_leaves_the_old_file_and_no_litter)
{
    struct fixture original;
    struct patch_error error;
    struct patch_change *change = NULL;
    struct rlimit small = {4096, RLIM_INFINITY}, old;
    const char *path = fixture_copy("liblazy.so", "a.so");

    fixture_read(&original, path);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum patch_outcome outcome = patch_prepare(path, NULL, &fixture_options, &change, NULL, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_int_eq(outcome, PATCH_FAILED);
    ck_assert_int_eq(error.code, PATCH_SYSTEM);
    ck_assert_int_eq(error.system_error, EFBIG);
    check_same(path, &original);
    ck_assert_uint_eq(fixture_folder_count(), 1);
    fixture_finish(&original);
}
END_TEST

START_TEST(a_file_that_somebody_replaced_meanwhile_is_not_overwritten)
{
    struct fixture upgrade;
    struct patch_error error;
    struct patch_change *change = NULL;
    const char *path = fixture_copy("liblazy.so", "a.so");

    ck_assert_int_eq(patch_prepare(path, NULL, &fixture_options, &change, NULL, &error),
                     PATCH_READY);
    ck_assert_int_eq(rename(fixture_copy("libbss.so", "b.so"), path), 0);
    fixture_read(&upgrade, path);
    ck_assert(!patch_commit(change, &error));
    ck_assert_int_eq(error.code, PATCH_CHANGED_SINCE);
    check_same(path, &upgrade);
    ck_assert_uint_eq(fixture_folder_count(), 1);
    fixture_finish(&upgrade);
}
END_TEST

START_TEST(an_output_elsewhere_leaves_the_input_as_it_is)
{
    struct fixture original, expected;
    struct patch_error error;
    const char *path = fixture_copy("liblazy.so", "a.so");
    const char *output = fixture_temporary("b.so");

    fixture_read(&original, path);
    fixture_patch(&original, &fixture_options, &expected);
    ck_assert_int_eq(patch(path, output, &fixture_options, &error), PATCH_READY);
    check_same(path, &original);
    check_same(output, &expected);
    ck_assert_int_eq(patch(path, output, &fixture_options, &error), PATCH_READY);
    check_same(output, &expected); /* an existing one is replaced */
    ck_assert_uint_eq(fixture_folder_count(), 2);
    ck_assert_int_eq(patch(path, fixture_temporary("none/b.so"), &fixture_options, &error),
                     PATCH_FAILED);
    ck_assert_int_eq(error.system_error, ENOENT);
    fixture_finish(&original);
    fixture_finish(&expected);
}
END_TEST

START_TEST(mode_times_and_attributes_follow_both_ways)
{
    struct patch_error error;
    struct stat before, after;
    const struct timespec times[2] = {{.tv_sec = 1000000000, .tv_nsec = 123456789},
                                      {.tv_sec = 1100000000, .tv_nsec = 987654321}};
    const char *path = fixture_copy("liblazy.so", "a.so");
    char value[8] = "";

    ck_assert_int_eq(chmod(path, 0751), 0);
    bool attributes = setxattr(path, "user.greenify", "kept", 4, 0) == 0;
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    ck_assert_int_eq(stat(path, &before), 0);
    for (int way = 0; way < 2; way++) {
        ck_assert_int_eq(way == 0 ? patch(path, NULL, &fixture_options, &error)
                                  : revert(path, &error),
                         PATCH_READY);
        ck_assert_int_eq(stat(path, &after), 0);
        ck_assert_uint_ne(after.st_ino, before.st_ino * (way == 0));
        ck_assert_uint_eq(after.st_mode, before.st_mode);
        ck_assert_uint_eq(after.st_uid, before.st_uid);
        ck_assert_int_eq(after.st_mtim.tv_sec, times[1].tv_sec);
        ck_assert_int_eq(after.st_mtim.tv_nsec, times[1].tv_nsec);
        if (attributes) {
            ck_assert_int_eq(getxattr(path, "user.greenify", value, sizeof(value)), 4);
            ck_assert_mem_eq(value, "kept", 4);
        }
    }
}
END_TEST

START_TEST(a_symbolic_link_stays_and_its_target_is_patched)
{
    struct patch_error error;
    struct patch_scan *scan;
    struct stat status;
    const char *path = fixture_copy("liblazy.so", "a.so.1.2");
    const char *link = fixture_temporary("a.so");

    ck_assert_int_eq(symlink("a.so.1.2", link), 0);
    ck_assert_int_eq(patch(link, NULL, &fixture_options, &error), PATCH_READY);
    ck_assert_int_eq(lstat(link, &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    ck_assert(patch_scan(path, &fixture_options, &scan, &error));
    ck_assert(scan->patched);
    patch_scan_destroy(scan);
}
END_TEST

START_TEST(a_hard_link_is_refused_unless_asked_for)
{
    struct fixture original;
    struct patch_error error;
    struct patch_options options = fixture_options;
    const char *path = fixture_copy("liblazy.so", "a.so");
    const char *other = fixture_temporary("b.so");

    fixture_read(&original, path);
    ck_assert_int_eq(link(path, other), 0);
    ck_assert_int_eq(patch(path, NULL, &options, &error), PATCH_FAILED);
    ck_assert_int_eq(error.code, PATCH_HARD_LINKED);
    check_same(path, &original);
    ck_assert_int_eq(patch(path, fixture_temporary("c.so"), &options, &error), PATCH_READY);
    options.allow_hard_links = true;
    ck_assert_int_eq(patch(path, NULL, &options, &error), PATCH_READY);
    check_same(other, &original);
    fixture_finish(&original);
}
END_TEST

START_TEST(a_process_that_has_the_old_file_open_keeps_it)
{
    struct fixture original;
    struct patch_error error;
    const char *path = fixture_copy("liblazy.so", "a.so");

    fixture_read(&original, path);
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(patch(path, NULL, &fixture_options, &error), PATCH_READY);
    uint8_t *bytes = malloc(original.size);
    ck_assert_int_eq(pread(fd, bytes, original.size, 0), (ssize_t)original.size);
    ck_assert_mem_eq(bytes, original.bytes, original.size);
    free(bytes);
    close(fd);
    fixture_finish(&original);
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_without_waiting)
{
    struct patch_error error;
    const char *fifo = fixture_temporary("fifo");

    ck_assert_int_eq(patch("/", NULL, &fixture_options, &error), PATCH_FAILED);
    ck_assert_int_eq(error.code, PATCH_NOT_REGULAR);
    ck_assert_int_eq(patch("/dev/null", NULL, &fixture_options, &error), PATCH_FAILED);
    ck_assert_int_eq(error.code, PATCH_NOT_REGULAR);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    ck_assert_int_eq(patch(fifo, NULL, &fixture_options, &error), PATCH_FAILED);
    ck_assert_int_eq(error.code, PATCH_NOT_REGULAR);
    ck_assert_int_eq(patch(fixture_temporary("none"), NULL, &fixture_options, &error),
                     PATCH_FAILED);
    ck_assert_int_eq(error.code, PATCH_SYSTEM);
    ck_assert_int_eq(error.system_error, ENOENT);
}
END_TEST

/* The versions lie over the ELF header, so that the new one would be written into e_machine. */
START_TEST(a_file_that_would_come_out_as_nonsense_is_refused)
{
    struct fixture f;
    struct patch_error error;
    struct patch_options options = fixture_options;
    const char *path = fixture_copy("liblazy.so", "a.so");

    options.functions = only_recv;
    fixture_read(&f, path);
    struct image *image = fixture_parse(&f);
    uint64_t distance = fixture_symbol(image, "recv") * sizeof(Elf64_Half);
    image_destroy(image);
    ck_assert_uint_le(distance, offsetof(Elf64_Ehdr, e_machine));
    fixture_dynamic(&f, DT_VERSYM)->d_un.d_ptr = offsetof(Elf64_Ehdr, e_machine) - distance;
    fixture_write(&f, path);
    ck_assert_int_eq(patch(path, NULL, &options, &error), PATCH_FAILED);
    ck_assert_int_eq(error.code, PATCH_MALFORMED);
    check_same(path, &f);
    fixture_finish(&f);
}
END_TEST

START_TEST(a_refused_file_is_left_untouched)
{
    struct fixture f;
    struct patch_error error;
    const char *path = fixture_copy("liblazy.so", "a.so");

    fixture_read(&f, path);
    fixture_section(&f, ".dynstr"); /* sound so far */
    fixture_dynamic(&f, DT_STRSZ)->d_un.d_val = 1 << 30;
    fixture_write(&f, path);
    ck_assert_int_eq(patch(path, NULL, &fixture_options, &error), PATCH_FAILED);
    ck_assert_int_eq(error.code, PATCH_MALFORMED);
    check_same(path, &f);
    ck_assert_uint_eq(fixture_folder_count(), 1);
    fixture_finish(&f);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        patch_then_revert_gives_the_original_and_leaves_no_litter,
        patching_twice_does_nothing,
        patching_for_more_functions_keeps_one_way_back,
        patching_for_other_functions_keeps_the_earlier_ones,
        patching_on_top_of_a_later_edit_works_and_leads_back_to_that,
        redirected_imports_without_a_record_cannot_be_reverted,
        a_dry_run_reports_and_writes_nothing,
        nothing_is_visible_before_the_commit_and_after_a_discard,
        a_write_that_fails_leaves_the_old_file_and_no_litter,
        a_file_that_somebody_replaced_meanwhile_is_not_overwritten,
        an_output_elsewhere_leaves_the_input_as_it_is,
        mode_times_and_attributes_follow_both_ways,
        a_symbolic_link_stays_and_its_target_is_patched,
        a_hard_link_is_refused_unless_asked_for,
        a_process_that_has_the_old_file_open_keeps_it,
        what_is_no_regular_file_is_refused_without_waiting,
        a_file_that_would_come_out_as_nonsense_is_refused,
        a_refused_file_is_left_untouched,
    };
    return FIXTURE_RUN("patch", tests);
}

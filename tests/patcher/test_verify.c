/* SPDX-License-Identifier: MIT
 *
 * Verifying whole files: what is sound passes, and what the original is taken from. That each check
 * finds what it is for stands in test_checks.c.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

struct seen {
    const char *fault; /* name of the first check that failed */
    char detail[400];
    size_t passed, skipped;
};

static void note(void *context, const char *name, enum patch_verdict verdict, const char *detail)
{
    struct seen *seen = context;

    seen->passed += verdict == PATCH_PASS;
    seen->skipped += verdict == PATCH_SKIPPED;
    if (verdict != PATCH_FAULT || seen->fault != NULL)
        return;
    seen->fault = name;
    strncpy(seen->detail, detail, sizeof(seen->detail) - 1);
}

static bool verify(const struct fixture *f, struct seen *seen)
{
    struct patch_error error = {0};
    bool sound = false;
    const char *path = fixture_temporary("a.so");

    memset(seen, 0, sizeof(*seen));
    fixture_write(f, path);
    ck_assert_msg(patch_verify(path, &fixture_options, note, seen, &sound, &error), "%s",
                  error.reason);
    ck_assert_int_eq(sound, seen->fault == NULL);
    return sound;
}

static void check_fault(const struct fixture *f, const char *check)
{
    struct seen seen;

    ck_assert_msg(!verify(f, &seen), "%s found nothing", check);
    ck_assert_str_eq(seen.fault, check);
    ck_assert_str_ne(seen.detail, "");
}

static void load_patched(struct fixture *f, const char *name)
{
    struct fixture original;

    fixture_load(&original, name);
    fixture_patch(&original, &fixture_options, f);
    fixture_finish(&original);
}

START_TEST(patched_files_are_sound)
{
    static const char *const names[] = {"liblazy.so",   "libbss.so",     "libboth_hashes.so",
                                        "libno_plt.so", "libtls_bss.so", "libibt.so"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct fixture f;
        struct seen seen;
        load_patched(&f, names[i]);
        ck_assert_msg(verify(&f, &seen), "%s: %s: %s", names[i], seen.fault, seen.detail);
        ck_assert_uint_gt(seen.passed, 10);
        fixture_finish(&f);
    }
}
END_TEST

START_TEST(an_unpatched_file_is_not_redirected)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    check_fault(&f, "redirected");
    fixture_finish(&f);
}
END_TEST

/* As mold writes it where .tbss is the first that becomes read-only. */
START_TEST(a_relro_that_begins_before_its_segment_is_sound)
{
    struct fixture f;
    struct seen seen;

    load_patched(&f, "liblazy.so");
    Elf64_Phdr *relro = fixture_segment(&f, PT_GNU_RELRO, 0);
    relro->p_vaddr -= 4;
    relro->p_memsz += 4;
    relro->p_offset = 0;
    ck_assert_msg(verify(&f, &seen), "%s: %s", seen.fault, seen.detail);
    relro->p_vaddr += 4;
    relro->p_offset = 8;
    check_fault(&f, "segments");
    fixture_finish(&f);
}
END_TEST

/* As lld 19 and later write it, with .relro_padding behind what is in the file. */
START_TEST(a_relro_that_ends_behind_its_segment_is_sound)
{
    struct fixture f;
    struct seen seen;

    load_patched(&f, "liblazy.so");
    Elf64_Phdr *relro = fixture_segment(&f, PT_GNU_RELRO, 0);
    relro->p_memsz += 0x80;
    relro->p_filesz = relro->p_memsz;
    ck_assert_msg(verify(&f, &seen), "%s: %s", seen.fault, seen.detail);
    fixture_finish(&f);
}
END_TEST

START_TEST(an_edited_file_is_sound_though_it_cannot_be_reverted)
{
    struct fixture f;
    struct seen seen;

    load_patched(&f, "liblazy.so");
    f.bytes[fixture_section(&f, ".comment")->sh_offset] ^= 1;
    ck_assert(verify(&f, &seen));
    fixture_finish(&f);
}
END_TEST

/* The row that is called `name`, of a run against `original`. */
struct row {
    const char *name;
    enum patch_verdict verdict;
    char detail[600];
};

static void keep_row(void *context, const char *name, enum patch_verdict verdict,
                     const char *detail)
{
    struct row *row = context;

    if (strcmp(name, row->name) != 0)
        return;
    row->verdict = verdict;
    snprintf(row->detail, sizeof(row->detail), "%s", detail);
}

static void check_row(const char *path, const char *original, const char *name,
                      enum patch_verdict verdict, const char *part)
{
    struct row row = {.name = name, .verdict = PATCH_FAULT};
    struct patch_error error = {0};
    bool sound;

    ck_assert_msg(
        patch_verify_original(path, original, &fixture_options, keep_row, &row, &sound, &error),
        "%s", error.reason);
    ck_assert_msg(row.verdict == verdict, "%s: %s", name, row.detail);
    ck_assert_msg(strstr(row.detail, part) != NULL, "%s: %s", name, row.detail);
}

START_TEST(the_original_is_what_the_record_leads_to)
{
    struct fixture f;
    const char *path = fixture_temporary("a.so");

    load_patched(&f, "liblazy.so");
    fixture_write(&f, path);
    check_row(path, NULL, "original", PATCH_PASS, "against its undo record: ");
    check_row(path, NULL, "undo-record", PATCH_PASS, "leads back");
    check_row(fixture_path("liblazy.so"), NULL, "original", PATCH_SKIPPED, "no undo record");
    f.bytes[fixture_section(&f, ".comment")->sh_offset] ^= 1;
    fixture_write(&f, path);
    check_row(path, NULL, "original", PATCH_SKIPPED, "changed since it was patched");
    check_row(path, NULL, "undo-record", PATCH_SKIPPED, "changed since it was patched");
    fixture_finish(&f);
}
END_TEST

START_TEST(the_original_is_a_file_that_is_named)
{
    struct fixture f;
    const char *path = fixture_temporary("a.so");
    const char *original = fixture_path("liblazy.so");

    load_patched(&f, "liblazy.so");
    fixture_write(&f, path);
    check_row(path, original, "original", PATCH_PASS, "3 st_name");
    check_row(path, fixture_path("libnow.so"), "original", PATCH_FAULT, "against ");
    check_row(path, "/nonexistent", "original", PATCH_FAULT, "/nonexistent: ");
    check_row(path, "/nonexistent", "original-notes", PATCH_FAULT, "/nonexistent: ");
    check_row(original, original, "original", PATCH_PASS, "no byte differs");
    f.bytes[fixture_section(&f, ".comment")->sh_offset] ^= 1;
    fixture_write(&f, path);
    check_row(path, original, "original", PATCH_FAULT, ".comment+0x0: the byte at 0x");
    check_row(path, original, "original-exports", PATCH_PASS, "");
    fixture_finish(&f);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error_not_a_verdict)
{
    struct patch_error error;
    bool sound;

    ck_assert(!patch_verify("/", &fixture_options, NULL, NULL, &sound, &error));
    ck_assert_int_eq(error.code, PATCH_NOT_REGULAR);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        patched_files_are_sound,
        an_unpatched_file_is_not_redirected,
        a_relro_that_begins_before_its_segment_is_sound,
        a_relro_that_ends_behind_its_segment_is_sound,
        an_edited_file_is_sound_though_it_cannot_be_reverted,
        the_original_is_what_the_record_leads_to,
        the_original_is_a_file_that_is_named,
        a_file_that_cannot_be_read_is_an_error_not_a_verdict,
    };
    return FIXTURE_RUN("verify", tests);
}

/* SPDX-License-Identifier: MIT
 *
 * Each check finds what it is for: a file that is broken in just one way fails just that check, and
 * those that cannot help seeing the same thing. No check is without such a file.
 */
#include "breakage.h"
#include "check/verify.h"
#include "fixture.h"

#include <stdio.h>
#include <string.h>

/* The names of the checks that found a fault, each with a space behind it. */
struct faults {
    char names[1024];
    char details[2048];
};

static void note(void *context, const char *name, enum patch_verdict verdict, const char *detail)
{
    struct faults *faults = context;

    if (verdict != PATCH_FAULT)
        return;
    ck_assert_str_ne(detail, "");
    strcat(strcat(faults->names, name), " ");
    strncat(strcat(faults->details, "; "), detail, 200);
}

static void run(const struct fixture *f, const struct breakage *row, struct faults *faults)
{
    struct patch_error error = {0};
    const char *path = fixture_temporary("a.so");
    const char *original = row->kind == COMPARED ? fixture_path(row->fixture) : NULL;
    bool sound;

    memset(faults, 0, sizeof(*faults));
    fixture_write(f, path);
    ck_assert_msg(
        patch_verify_original(path, original, &fixture_options, note, faults, &sound, &error), "%s",
        error.reason);
    ck_assert_int_eq(sound, faults->names[0] == '\0');
}

static void load(const struct breakage *row, struct fixture *f)
{
    struct fixture original;

    fixture_load(&original, row->fixture);
    if (row->kind == UNPATCHED) {
        *f = original;
        return;
    }
    fixture_patch(&original, &fixture_options, f);
    fixture_finish(&original);
}

static bool contains(const char *names, const char *name)
{
    char text[64];

    snprintf(text, sizeof(text), "%s ", name);
    return strstr(names, text) != NULL;
}

START_TEST(each_way_of_breaking_a_file_is_found_by_its_check_alone)
{
    const struct breakage *row = &breakages[_i];
    struct faults faults;
    struct fixture f;
    char expected[256];

    if (!fixture_exists(row->fixture)) /* of another machine, for which there is no compiler */
        return;
    load(row, &f);
    if (row->kind != UNPATCHED) {
        run(&f, row, &faults);
        ck_assert_msg(faults.names[0] == '\0', "%s: %s%s before it was broken", row->check,
                      faults.names, faults.details);
    }
    row->apply(&f);
    run(&f, row, &faults);
    snprintf(expected, sizeof(expected), "%s %s", row->check, row->companions);
    ck_assert_msg(contains(faults.names, row->check) && strlen(faults.names) == strlen(expected),
                  "%s (row %d): %s%s", expected, _i, faults.names, faults.details);
    fixture_finish(&f);
}
END_TEST

START_TEST(no_check_is_without_a_broken_file)
{
    for (const struct verify_check *check = verify_checks; check->name != NULL; check++) {
        bool found = false;
        for (const struct breakage *row = breakages; row->check != NULL; row++)
            found |= strcmp(row->check, check->name) == 0;
        ck_assert_msg(found, "%s", check->name);
        ck_assert_str_ne(check->purpose, "");
    }
}
END_TEST

START_TEST(checks_are_described_in_their_order)
{
    const char *name;
    const char *purpose;
    size_t count = 0;

    for (; patch_check_describe(count, &name, &purpose); count++)
        if (verify_checks[count].name != NULL)
            ck_assert_str_eq(name, verify_checks[count].name);
        else
            break;
    ck_assert_str_eq(name, "load");
    ck_assert(patch_check_describe(count + 1, &name, &purpose));
    ck_assert_str_eq(name, "bind");
    ck_assert(!patch_check_describe(count + 2, &name, &purpose));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checks");
    TCase *tests = tcase_create("checks");
    SRunner *runner = srunner_create(suite);
    int count = 0;

    while (breakages[count].check != NULL)
        count++;
    tcase_add_checked_fixture(tests, fixture_folder_make, fixture_folder_remove);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, each_way_of_breaking_a_file_is_found_by_its_check_alone, 0, count);
    tcase_add_test(tests, no_check_is_without_a_broken_file);
    tcase_add_test(tests, checks_are_described_in_their_order);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: MIT
 *
 * What scan finds: imports, versions, relocations, and where the code calls them from.
 */
#include "fixture.h"

#include <string.h>

static struct patch_scan *scan(const char *path)
{
    struct patch_error error = {0};
    struct patch_scan *result;

    ck_assert_msg(patch_scan(path, &fixture_options, &result, &error), "%s", error.reason);
    return result;
}

static const struct patch_import *find(const struct patch_scan *result, const char *name)
{
    for (size_t i = 0; i < result->import_count; i++)
        if (strcmp(result->imports[i].name, name) == 0)
            return &result->imports[i];
    ck_abort_msg("%s is not listed", name);
}

/* Whether `function` reaches the import by one of the kinds ("call jump"). */
static void check_site(const struct patch_scan *result, const char *name, const char *function,
                       const char *kinds)
{
    const struct patch_import *import = find(result, name);

    for (size_t i = 0; i < import->call_site_count; i++) {
        const struct patch_call_site *site = &import->call_sites[i];
        if (site->function != NULL && strcmp(site->function, function) == 0 &&
            strstr(kinds, site->kind) != NULL)
            return;
    }
    ck_abort_msg("%s does not %s %s", function, kinds, name);
}

static void check_calls(const char *fixture)
{
    struct patch_scan *result = scan(fixture_path(fixture));

    ck_assert_uint_eq(result->import_count, 3);
    ck_assert_str_eq(result->imports[0].name, "poll");
    ck_assert_str_eq(result->imports[2].name, "send");
    check_site(result, "recv", "calls_receive", "call");
    check_site(result, "send", "calls_send_tail", "jump");
    check_site(result, "poll", "calls_poll", "call");
    check_site(result, "poll", "calls_address_of_poll", "load");
    ck_assert_uint_eq(find(result, "send")->call_site_count, 1);
    ck_assert_uint_eq(find(result, "recv")->call_site_count, 1);
    ck_assert_uint_eq(find(result, "poll")->call_site_count, 2);
    patch_scan_destroy(result);
}

START_TEST(calls_by_plt_stubs_are_found)
{
    check_calls("liblazy.so");
    check_calls("libnow.so");
    check_calls("libibt.so");
}
END_TEST

START_TEST(calls_through_the_slot_are_found)
{
    check_calls("libno_plt.so");
}
END_TEST

START_TEST(aarch64_calls_are_found)
{
    check_calls("libaarch64.so");
    check_calls("libaarch64_no_plt.so");
}
END_TEST

static void check_calls_without_sections(const char *name)
{
    struct fixture f;

    fixture_load(&f, name);
    fixture_drop_sections(&f);
    fixture_write(&f, fixture_temporary("a.so"));
    struct patch_scan *result = scan(fixture_temporary("a.so"));
    check_site(result, "recv", "calls_receive", "call");
    check_site(result, "poll", "calls_poll", "call");
    ck_assert_uint_eq(find(result, "recv")->call_site_count, 1);
    patch_scan_destroy(result);
    fixture_finish(&f);
}

START_TEST(calls_are_found_without_section_headers)
{
    check_calls_without_sections("liblazy.so");
    check_calls_without_sections("libibt.so");
}
END_TEST

START_TEST(aarch64_calls_are_found_without_section_headers)
{
    check_calls_without_sections("libaarch64.so");
}
END_TEST

START_TEST(versions_needed_and_soname_are_listed)
{
    struct patch_scan *result = scan(fixture_path("liblazy.so"));

    ck_assert_str_eq(find(result, "recv")->version, "GLIBC_2.2.5");
    ck_assert_str_eq(result->soname, "liblazy.so");
    ck_assert_str_eq(result->machine, "x86-64");
    ck_assert_str_eq(result->needed[0], "libc.so.6");
    ck_assert_ptr_null(result->needed[1]);
    ck_assert(!result->patched && !result->reverts);
    patch_scan_destroy(result);
}
END_TEST

START_TEST(a_patched_file_shows_the_same_calls_as_redirected)
{
    struct fixture original, patched;

    fixture_load(&original, "liblazy.so");
    fixture_patch(&original, &fixture_options, &patched);
    fixture_write(&patched, fixture_temporary("a.so"));
    struct patch_scan *result = scan(fixture_temporary("a.so"));
    ck_assert(result->patched && result->reverts);
    ck_assert_uint_eq(result->import_count, 3);
    ck_assert(find(result, "recv")->redirected);
    ck_assert_ptr_null(find(result, "recv")->version);
    check_site(result, "recv", "calls_receive", "call");
    ck_assert_str_eq(result->needed[1], "libgreen.so.1");
    patch_scan_destroy(result);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

START_TEST(names_in_the_list_may_come_in_any_order_and_be_none)
{
    static const char *const none[] = {NULL};
    struct patch_options options = fixture_options;
    struct patch_error error;
    struct patch_scan *result;

    options.functions = none;
    ck_assert(patch_scan(fixture_path("liblazy.so"), &options, &result, &error));
    ck_assert_uint_eq(result->import_count, 0);
    patch_scan_destroy(result);
    patch_scan_destroy(NULL);
}
END_TEST

START_TEST(version_records_that_run_out_of_the_file_are_malformed)
{
    struct fixture f;
    struct patch_error error;
    struct patch_scan *result;

    fixture_load(&f, "liblazy.so");
    Elf64_Verneed *first =
        (Elf64_Verneed *)(void *)(f.bytes + fixture_section(&f, ".gnu.version_r")->sh_offset);
    first->vn_aux = 0x7fffffff;
    fixture_write(&f, fixture_temporary("a.so"));
    ck_assert(!patch_scan(fixture_temporary("a.so"), &fixture_options, &result, &error));
    ck_assert_int_eq(error.code, PATCH_MALFORMED);
    ck_assert_ptr_null(result);
    fixture_finish(&f);
}
END_TEST

/* With an argument: the fixtures of another machine alone. */
int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        calls_by_plt_stubs_are_found,
        calls_through_the_slot_are_found,
        calls_are_found_without_section_headers,
        versions_needed_and_soname_are_listed,
        a_patched_file_shows_the_same_calls_as_redirected,
        names_in_the_list_may_come_in_any_order_and_be_none,
        version_records_that_run_out_of_the_file_are_malformed,
    };
    const TTest *const aarch64[] = {
        aarch64_calls_are_found,
        aarch64_calls_are_found_without_section_headers,
    };

    if (argc < 2 || strcmp(argv[1], "aarch64") != 0)
        return FIXTURE_RUN("scan", tests);
    return fixture_exists("libaarch64.so") ? FIXTURE_RUN("scan aarch64", aarch64) : FIXTURE_SKIPPED;
}

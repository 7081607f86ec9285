/* SPDX-License-Identifier: MIT
 *
 * Errors and their text.
 */
#include "error.h"
#include "fixture.h"

#include <errno.h>
#include <string.h>

static void check_text(const struct patch_error *error, const char *expected)
{
    char text[400];

    patch_error_format(error, text, sizeof(text));
    ck_assert_str_eq(text, expected);
}

START_TEST(text_of_an_entry_has_table_index_and_offset)
{
    struct patch_error error;

    ck_assert(!error_set_entry(&error, PATCH_UNSUPPORTED_RELOCATION, ".rela.plt", 12, 0x3f48,
                               "unsupported relocation %s", "R_X86_64_COPY"));
    check_text(&error, ".rela.plt[12] at 0x3f48: unsupported relocation R_X86_64_COPY");
    ck_assert_int_eq(error.code, PATCH_UNSUPPORTED_RELOCATION);
}
END_TEST

START_TEST(text_without_a_place_is_the_reason)
{
    struct patch_error error;

    ck_assert(!error_set(&error, PATCH_ARCHIVE, "is a static library"));
    check_text(&error, "is a static library");
    ck_assert(!error.has_offset);
}
END_TEST

START_TEST(text_with_an_offset_alone_begins_with_it)
{
    struct patch_error error;

    ck_assert(!error_set_at(&error, PATCH_OVERLAY, "", 0x10, "more bytes"));
    check_text(&error, "at 0x10: more bytes");
}
END_TEST

START_TEST(system_error_keeps_errno)
{
    struct patch_error error;

    errno = ENOSPC;
    ck_assert(!error_system(&error, "write"));
    ck_assert_int_eq(error.system_error, ENOSPC);
    ck_assert_int_eq(error.code, PATCH_SYSTEM);
    ck_assert_ptr_nonnull(strstr(error.reason, "write: "));
}
END_TEST

START_TEST(text_is_cut_and_terminated)
{
    struct patch_error error;
    char text[8];

    error_set_at(&error, PATCH_MALFORMED, "a table with a name", 1, "reason");
    patch_error_format(&error, text, sizeof(text));
    ck_assert_uint_eq(strlen(text), 7);
}
END_TEST

START_TEST(every_code_has_a_name_of_its_own)
{
    for (int i = 0; i <= PATCH_LOAD; i++)
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(patch_code_name((enum patch_code)i),
                             patch_code_name((enum patch_code)k));
    ck_assert_str_eq(patch_code_name((enum patch_code)1000), "unknown");
    ck_assert_str_eq(patch_code_name(PATCH_NO_DYNAMIC_SLOT), "no-dynamic-slot");
}
END_TEST

START_TEST(error_may_be_null)
{
    ck_assert(!error_set(NULL, PATCH_MEMORY, "x"));
    ck_assert(!error_set_at(NULL, PATCH_MEMORY, "", 0, "x"));
    ck_assert(!error_set_entry(NULL, PATCH_MEMORY, "", 0, 0, "x"));
    ck_assert(!error_system(NULL, "x"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        text_of_an_entry_has_table_index_and_offset,
        text_without_a_place_is_the_reason,
        text_with_an_offset_alone_begins_with_it,
        system_error_keeps_errno,
        text_is_cut_and_terminated,
        every_code_has_a_name_of_its_own,
        error_may_be_null,
    };
    return FIXTURE_RUN("error", tests);
}

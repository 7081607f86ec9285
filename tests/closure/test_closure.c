/* SPDX-License-Identifier: MIT
 *
 * The walk over what is needed, with a cache of the test's own. The order of the search has its own
 * test, and whole closures are walked by test_deps.py.
 */
#include "fixture.h"
#include "loader/closure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 48, ENTRY = 24, X86_64 = 0x0303, AARCH64 = 0x0a03 };

/* A cache by which libc.so.6 is the file at `path`. */
static const char *write_cache(const char *path)
{
    static const char name[] = "libc.so.6";
    uint32_t flags[] = {X86_64, AARCH64};
    struct fixture cache = {.size = HEADER + 2 * ENTRY + sizeof(name) + strlen(path) + 1};
    const char *file = fixture_temporary("cache");

    cache.bytes = calloc(1, cache.size);
    memcpy(cache.bytes, "glibc-ld.so.cache1.1", 20);
    cache.bytes[20] = 2;
    for (size_t i = 0; i < 2; i++) {
        uint32_t entry[] = {flags[i], HEADER + 2 * ENTRY, HEADER + 2 * ENTRY + sizeof(name)};

        memcpy(cache.bytes + HEADER + i * ENTRY, entry, sizeof(entry));
    }
    memcpy(cache.bytes + HEADER + 2 * ENTRY, name, sizeof(name));
    memcpy(cache.bytes + HEADER + 2 * ENTRY + sizeof(name), path, strlen(path) + 1);
    fixture_write(&cache, file);
    fixture_finish(&cache);
    return file;
}

static struct patch_closure *find(const char *path, const char *cache)
{
    struct patch_closure *closure;
    struct patch_error error;

    ck_assert_msg(closure_find(path, &fixture_options, cache, &closure, &error), "%s",
                  error.reason);
    return closure;
}

START_TEST(first_member_is_the_file_with_its_functions)
{
    struct patch_closure *closure = find(fixture_path("liblazy.so"), "/nonexistent");
    const struct patch_member *first = &closure->members[0];

    ck_assert_str_eq(first->path, fixture_path("liblazy.so"));
    ck_assert_str_eq(first->name, "liblazy.so");
    ck_assert(!first->exempt);
    ck_assert_uint_gt(first->function_count, 0);
    for (size_t i = 1; i < first->function_count; i++)
        ck_assert_str_lt(first->functions[i - 1], first->functions[i]);
    ck_assert_uint_eq(first->redirected, 0);
    patch_closure_destroy(closure);
}
END_TEST

START_TEST(cache_leads_to_libc_which_is_exempt_and_not_followed)
{
    char *libc = strdup(fixture_copy("libplain.so", "some-libc"));
    struct patch_closure *closure = find(fixture_path("liblazy.so"), write_cache(libc));
    const struct patch_member *member = &closure->members[closure->members[0].needs[0].member];

    ck_assert_uint_eq(closure->members[0].need_count, 1);
    ck_assert_int_eq(closure->members[0].needs[0].found, PATCH_FOUND_CACHE);
    ck_assert_str_eq(member->path, libc);
    ck_assert(member->exempt);
    ck_assert_uint_eq(member->need_count, 0);
    patch_closure_destroy(closure);
    free(libc);
}
END_TEST

START_TEST(broken_cache_leads_to_the_default_folders)
{
    char *path = strdup(write_cache("/nonexistent/libc.so.6")); /* the loop asks for many others */
    struct fixture cache;

    fixture_read(&cache, path);
    for (uint64_t size = 0; size <= cache.size; size += 7) {
        struct fixture part = {cache.bytes, size};
        struct patch_closure *closure;

        fixture_write(&part, path);
        closure = find(fixture_path("liblazy.so"), path);
        ck_assert_int_eq(closure->members[0].needs[0].found, PATCH_FOUND_DEFAULT);
        patch_closure_destroy(closure);
    }
    fixture_finish(&cache);
    free(path);
}
END_TEST

START_TEST(runtime_is_found_and_exempt)
{
    struct patch_closure *closure = find(fixture_path("libgreen.so.1"), "/nonexistent");

    ck_assert(closure->members[0].exempt);
    patch_closure_destroy(closure);
    closure = find(fixture_path("liblazy.so"), "/nonexistent");
    ck_assert_ptr_nonnull(closure->runtime); /* LD_LIBRARY_PATH leads to the fixtures */
    ck_assert_str_eq(closure->runtime, fixture_path("libgreen.so.1"));
    patch_closure_destroy(closure);
}
END_TEST

START_TEST(first_file_that_cannot_be_read_is_a_failure)
{
    static const struct {
        const char *path;
        enum patch_code code;
    } rows[] = {
        {"/nonexistent", PATCH_SYSTEM}, {"/", PATCH_NOT_REGULAR}, {"/etc/passwd", PATCH_NOT_ELF}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct patch_closure *closure;
        struct patch_error error;

        ck_assert(!patch_closure_find(rows[i].path, &fixture_options, &closure, &error));
        ck_assert_int_eq(error.code, rows[i].code);
        ck_assert_ptr_null(closure);
    }
    patch_closure_destroy(NULL);
}
END_TEST

START_TEST(every_wrong_byte_of_the_first_file_is_survived)
{
    struct fixture fixture;
    const char *path = fixture_copy("liblazy.so", "broken.so");

    fixture_load(&fixture, "liblazy.so");
    for (uint64_t at = 0; at < fixture.size; at += 61) {
        struct patch_closure *closure;
        struct patch_error error;

        fixture.bytes[at] ^= 0xff;
        fixture_write(&fixture, path);
        fixture.bytes[at] ^= 0xff;
        if (closure_find(path, &fixture_options, "/nonexistent", &closure, &error))
            patch_closure_destroy(closure);
        else
            ck_assert_int_ne(error.code, PATCH_OK);
    }
    fixture_finish(&fixture);
}
END_TEST

START_TEST(each_way_of_finding_has_a_name)
{
    for (int i = PATCH_FOUND_NOWHERE; i <= PATCH_FOUND_DEFAULT; i++)
        for (int k = PATCH_FOUND_NOWHERE; k < i; k++)
            ck_assert_str_ne(patch_found_name((enum patch_found)i),
                             patch_found_name((enum patch_found)k));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        first_member_is_the_file_with_its_functions,
        cache_leads_to_libc_which_is_exempt_and_not_followed,
        broken_cache_leads_to_the_default_folders,
        runtime_is_found_and_exempt,
        first_file_that_cannot_be_read_is_a_failure,
        every_wrong_byte_of_the_first_file_is_survived,
        each_way_of_finding_has_a_name,
    };

    return FIXTURE_RUN("closure", tests);
}

/* SPDX-License-Identifier: MIT
 *
 * Asking the dynamic loader. LD_LIBRARY_PATH, set by meson, leads to the runtime's stand-in.
 */
#include "check/verify.h"
#include "fixture.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct seen {
    enum patch_verdict load, bind;
    char detail[400];
};

static void note(void *context, const char *name, enum patch_verdict verdict, const char *detail)
{
    struct seen *seen = context;

    if (strcmp(name, "load") == 0)
        seen->load = verdict;
    else
        seen->bind = verdict;
    if (detail[0] != '\0' && strcmp(detail, "not loaded") != 0)
        strncpy(seen->detail, detail, sizeof(seen->detail) - 1);
}

static bool load(const char *path, struct seen *seen)
{
    struct patch_error error = {0};
    bool sound = false;

    memset(seen, 0, sizeof(*seen));
    ck_assert_msg(patch_verify_load(path, &fixture_options, note, seen, &sound, &error), "%s",
                  error.reason);
    return sound;
}

static const char *patched(const char *name)
{
    struct fixture original, f;
    const char *path = fixture_temporary("a.so");

    fixture_load(&original, name);
    fixture_patch(&original, &fixture_options, &f);
    fixture_write(&f, path);
    fixture_finish(&original);
    fixture_finish(&f);
    return path;
}

START_TEST(each_slot_of_a_patched_library_lies_in_the_runtime)
{
    static const char *const names[] = {"liblazy.so",    "libnow.so",     "libno_plt.so",
                                        "libbss.so",     "libtls_bss.so", "libsysv_hash.so",
                                        "libno_relro.so"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct seen seen;
        ck_assert_msg(load(patched(names[i]), &seen), "%s: %s", names[i], seen.detail);
        ck_assert_int_eq(seen.load, PATCH_PASS);
        ck_assert_int_eq(seen.bind, PATCH_PASS);
        ck_assert_ptr_nonnull(strstr(seen.detail, "5 slots"));
    }
}
END_TEST

/* As one that the command itself needs, when LD_LIBRARY_PATH leads to its patched copy. */
START_TEST(a_library_that_this_process_loaded_lazily_binds_too)
{
    struct seen seen;
    const char *path = patched("liblazy.so");
    void *library = dlopen(path, RTLD_LAZY);

    ck_assert_ptr_nonnull(library);
    ck_assert_msg(load(path, &seen), "%s", seen.detail);
    ck_assert_int_eq(seen.bind, PATCH_PASS);
    dlclose(library);
}
END_TEST

START_TEST(a_patched_library_without_section_headers_binds_too)
{
    struct fixture original, f;
    struct seen seen;

    fixture_load(&original, "libbss.so");
    fixture_drop_sections(&original);
    fixture_patch(&original, &fixture_options, &f);
    fixture_write(&f, fixture_temporary("a.so"));
    ck_assert_msg(load(fixture_temporary("a.so"), &seen), "%s", seen.detail);
    ck_assert_int_eq(seen.bind, PATCH_PASS);
    fixture_finish(&original);
    fixture_finish(&f);
}
END_TEST

START_TEST(an_unpatched_library_loads_and_binds_nothing)
{
    struct seen seen;

    ck_assert(load(fixture_path("liblazy.so"), &seen));
    ck_assert_int_eq(seen.load, PATCH_PASS);
    ck_assert_int_eq(seen.bind, PATCH_SKIPPED);
}
END_TEST

START_TEST(a_library_that_crashes_on_load_is_a_fault_and_nothing_worse)
{
    struct seen seen;

    ck_assert(!load(patched("libcrash.so"), &seen));
    ck_assert_int_eq(seen.load, PATCH_FAULT);
    ck_assert_ptr_nonnull(strstr(seen.detail, "died: SIG"));
}
END_TEST

/* With and without the pipe, and in a process group of its own. */
START_TEST(an_initialiser_that_never_ends_is_a_fault)
{
    static const char *const names[] = {"libblock.so", "libblock_alone.so"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct patch_error error = {0};
        struct seen seen = {0};
        bool sound = true;
        ck_assert(verify_load(fixture_path(names[i]), &fixture_options, 300, note, &seen, &sound,
                              &error));
        ck_assert(!sound);
        ck_assert_int_eq(seen.load, PATCH_FAULT);
        ck_assert_ptr_nonnull(strstr(seen.detail, "loading took more than 0.3 s"));
    }
}
END_TEST

START_TEST(a_runtime_that_cannot_be_found_is_a_fault_with_the_loaders_words)
{
    struct seen seen;
    struct fixture original, f;
    struct patch_options options = fixture_options;
    struct patch_error error;
    bool sound;

    options.runtime = "libnosuchruntime.so.9";
    fixture_load(&original, "liblazy.so");
    fixture_patch(&original, &options, &f);
    fixture_write(&f, fixture_temporary("a.so"));
    memset(&seen, 0, sizeof(seen));
    ck_assert(patch_verify_load(fixture_temporary("a.so"), &options, note, &seen, &sound, &error));
    ck_assert(!sound);
    ck_assert_ptr_nonnull(strstr(seen.detail, "libnosuchruntime.so.9"));
    ck_assert_ptr_nonnull(strstr(seen.detail, "LD_LIBRARY_PATH"));
    fixture_finish(&original);
    fixture_finish(&f);
}
END_TEST

START_TEST(executables_and_other_machines_are_skipped)
{
    struct seen seen;

    ck_assert(load(fixture_path("program_pie"), &seen));
    ck_assert_int_eq(seen.load, PATCH_SKIPPED);
    if (!fixture_exists("libaarch64.so"))
        return;
    ck_assert(load(fixture_path("libaarch64.so"), &seen));
    ck_assert_int_eq(seen.load, PATCH_SKIPPED);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_slot_of_a_patched_library_lies_in_the_runtime,
        a_library_that_this_process_loaded_lazily_binds_too,
        a_patched_library_without_section_headers_binds_too,
        an_unpatched_library_loads_and_binds_nothing,
        a_library_that_crashes_on_load_is_a_fault_and_nothing_worse,
        an_initialiser_that_never_ends_is_a_fault,
        a_runtime_that_cannot_be_found_is_a_fault_with_the_loaders_words,
        executables_and_other_machines_are_skipped,
    };
    return FIXTURE_RUN("loadcheck", tests);
}

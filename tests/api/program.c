/* SPDX-License-Identifier: MIT
 *
 * program LIBRARY TEXT: what a program does with libgreenify, by its installed headers, from the
 * first look at LIBRARY (which imports recv, send and poll) to the original again. TEXT is a file
 * that is no library. Compiles as C and as C++.
 */
#include <greenify.h>
#include <greenify_hooks.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) check(condition, #condition, __LINE__)

static const char *const functions[] = {GREENIFY_HOOKS_DEFAULT, NULL};
static const char *const poll_only[] = {"poll", NULL};
static const char *library;

static void check(bool holds, const char *condition, int line)
{
    if (holds)
        return;
    printf("line %d: %s does not hold\n", line, condition);
    exit(1);
}

static struct patch_options options_for(const char *const *names)
{
    struct patch_options options;

    memset(&options, 0, sizeof(options));
    options.functions = names;
    options.prefix = GREENIFY_PREFIX;
    options.runtime = GREENIFY_RUNTIME;
    return options;
}

/* --- looking at a file ------------------------------------------------------------------------ */

static const struct patch_import *find_import(const struct patch_scan *scan, const char *name)
{
    for (size_t i = 0; i < scan->import_count; i++)
        if (strcmp(scan->imports[i].name, name) == 0)
            return &scan->imports[i];
    return NULL;
}

static void check_scan(const struct patch_options *options, bool patched)
{
    struct patch_error error;
    struct patch_scan *scan;

    CHECK(patch_scan(library, options, &scan, &error));
    CHECK(scan->patched == patched);
    CHECK(scan->reverts == patched);
    const struct patch_import *import = find_import(scan, "recv");
    CHECK(import != NULL);
    CHECK(import->redirected == patched);
    CHECK(import->relocation_count > 0);
    CHECK(find_import(scan, "getpid") == NULL);
    patch_scan_destroy(scan);
    patch_scan_destroy(NULL);
}

static void check_closure(const struct patch_options *options)
{
    struct patch_closure *closure;
    struct patch_error error;
    bool libc = false;

    CHECK(patch_closure_find(library, options, &closure, &error));
    CHECK(closure->count >= 2);
    CHECK(strcmp(closure->members[0].path, library) == 0);
    CHECK(!closure->members[0].exempt);
    CHECK(closure->members[0].function_count == 3);
    for (size_t i = 1; i < closure->count; i++)
        libc = libc ||
               (closure->members[i].exempt && strncmp(closure->members[i].name, "libc.so", 7) == 0);
    CHECK(libc);
    patch_closure_destroy(closure);
    patch_closure_destroy(NULL);
}

struct seen {
    size_t checks;
    size_t faults;
    char last[64];
};

static void count_check(void *context, const char *name, enum patch_verdict verdict,
                        const char *detail)
{
    struct seen *seen = (struct seen *)context;

    CHECK(detail != NULL);
    seen->checks++;
    seen->faults += verdict == PATCH_FAULT;
    snprintf(seen->last, sizeof(seen->last), "%s", name);
}

static void check_verify(const struct patch_options *options, bool expected)
{
    struct patch_error error;
    struct seen seen = {0, 0, ""};
    bool sound = !expected;

    CHECK(patch_verify(library, options, count_check, &seen, &sound, &error));
    CHECK(sound == expected);
    CHECK(seen.checks > 10);
    CHECK((seen.faults == 0) == expected);
    CHECK(patch_verify(library, options, NULL, NULL, &sound, &error));
    CHECK(sound == expected);
}

static void check_load(const struct patch_options *options)
{
    struct patch_error error;
    struct seen seen = {0, 0, ""};
    bool sound = false;

    CHECK(patch_verify_load(library, options, count_check, &seen, &sound, &error));
    CHECK(sound);
    CHECK(seen.checks > 0 && seen.faults == 0);
}

/* --- changing it ------------------------------------------------------------------------------ */

static void add_size(void *context, const void *bytes, size_t size)
{
    CHECK(bytes != NULL);
    *(uint64_t *)context += size;
}

static void patch_it(const struct patch_options *options)
{
    struct patch_report report;
    struct patch_change *change;
    struct patch_error error;
    uint64_t size = 0;

    CHECK(patch_prepare(library, NULL, options, NULL, &report, &error) == PATCH_READY);
    patch_report_finish(&report);
    CHECK(patch_prepare(library, NULL, options, &change, &report, &error) == PATCH_READY);
    CHECK(report.redirected == 3 && strcmp(report.names[1], "recv") == 0);
    CHECK(strcmp(patch_layout_name(report.layout), "none") != 0);
    CHECK(patch_change_read(change, add_size, &size, &error));
    CHECK(size == report.size_after);
    check_scan(options, false); /* nothing is to be seen of it yet */
    CHECK(patch_commit(change, &error));
    patch_report_finish(&report);
    CHECK(patch_prepare(library, NULL, options, &change, NULL, &error) == PATCH_NOTHING);
}

static void revert_it(const struct patch_options *options)
{
    struct patch_change *change;
    struct patch_error error;

    CHECK(patch_prepare_revert(library, NULL, options, &change, NULL, &error) == PATCH_READY);
    CHECK(patch_commit(change, &error));
    CHECK(patch_prepare_revert(library, NULL, options, &change, NULL, &error) == PATCH_NOTHING);
}

/* The first of two that are prepared makes the second one out of date. */
static void check_changed_since(void)
{
    struct patch_options options = options_for(functions);
    struct patch_options fewer = options_for(poll_only);
    struct patch_change *first;
    struct patch_change *second;
    struct patch_error error;

    CHECK(patch_prepare(library, NULL, &options, &first, NULL, &error) == PATCH_READY);
    CHECK(patch_prepare(library, NULL, &fewer, &second, NULL, &error) == PATCH_READY);
    CHECK(patch_commit(first, &error));
    CHECK(!patch_commit(second, &error));
    CHECK(error.code == PATCH_CHANGED_SINCE);
    revert_it(&options);
}

static void check_failure(const char *text, const struct patch_options *options)
{
    struct patch_change *change;
    struct patch_error error;
    char message[512];

    CHECK(patch_prepare(text, NULL, options, &change, NULL, &error) == PATCH_FAILED);
    CHECK(error.code == PATCH_NOT_ELF);
    CHECK(strcmp(patch_code_name(error.code), "not-elf") == 0);
    patch_error_format(&error, message, sizeof(message));
    CHECK(message[0] != '\0');
    CHECK(patch_prepare("/nowhere/at/all", NULL, options, &change, NULL, &error) == PATCH_FAILED);
    CHECK(error.code == PATCH_SYSTEM && error.system_error != 0);
}

static void check_discard(const struct patch_options *options)
{
    struct patch_change *change;
    struct patch_error error;

    CHECK(patch_prepare(library, NULL, options, &change, NULL, &error) == PATCH_READY);
    patch_discard(change);
    patch_discard(NULL);
    check_scan(options, false);
}

int main(int argc, char **argv)
{
    struct patch_options options = options_for(functions);

    CHECK(argc == 3);
    library = argv[1];
    check_failure(argv[2], &options);
    check_scan(&options, false);
    check_closure(&options);
    check_verify(&options, false); /* what was asked for is not redirected */
    check_discard(&options);
    check_changed_since();
    patch_it(&options);
    check_scan(&options, true);
    check_verify(&options, true);
    check_load(&options);
    revert_it(&options);
    check_scan(&options, false);
    puts("done");
    return 0;
}

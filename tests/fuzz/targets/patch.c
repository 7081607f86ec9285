/* SPDX-License-Identifier: MIT
 *
 * A library is patched in place, verified, scanned, patched again and reverted. What was accepted
 * must have no fault that it did not have, and lead back to the very bytes.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 128 };

/* Names of the checks that failed. */
struct faults {
    const char *names[MOST];
    char details[MOST][160];
    size_t count;
};

static void take_fault(void *context, const char *name, enum patch_verdict verdict,
                       const char *detail)
{
    struct faults *faults = context;

    if (verdict != PATCH_FAULT || faults->count == MOST)
        return;
    faults->names[faults->count] = name;
    strncpy(faults->details[faults->count], detail, sizeof(faults->details[0]) - 1);
    faults->details[faults->count++][sizeof(faults->details[0]) - 1] = '\0';
}

static bool has(const struct faults *faults, const char *name)
{
    for (size_t i = 0; i < faults->count; i++)
        if (strcmp(faults->names[i], name) == 0)
            return true;
    return false;
}

static bool begins_with(const char *name, const char *beginning)
{
    return strncmp(name, beginning, strlen(beginning)) == 0;
}

/* What could not be looked at before for another fault may be at fault itself, and may share bytes
 * with what is changed; what lies in .bss shows bytes once that stands in the file; and the proof
 * reads the tables: nothing can be proved where one was broken.
 */
static bool is_excused(const struct faults *before, const char *name)
{
    static const struct {
        const char *name;
        const char *excuse;
    } rows[] = {
        {"segments", "relro"},   {"segments", "load-"},          {"section", "section"},
        {"version", "version"},  {"version", "symbol-versions"}, {"original", "dynamic"},
        {"original", "tables"},  {"original", "entry-sizes"},    {"original", "string-table"},
        {"original", "symbol"},  {"original", "hash"},           {"original", "gnu-hash"},
        {"original", "version"}, {"original", "reloc"},          {"original", "relr"},
        {"original", "section"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t k = 0; begins_with(name, rows[i].name) && k < before->count; k++)
            if (begins_with(before->names[k], rows[i].excuse))
                return true;
    return has(before, name);
}

static void require_no_new_fault(const struct faults *before, const struct faults *after)
{
    for (size_t i = 0; i < after->count; i++)
        FUZZ_REQUIRE(is_excused(before, after->names[i]), "patching brought a fault: %s: %s",
                     after->names[i], after->details[i]);
}

static void require_told(bool done, const struct patch_error *error, const char *what)
{
    char text[512];

    if (done)
        return;
    patch_error_format(error, text, sizeof(text));
    fuzz_fail("%s: [%s] %s", what, patch_code_name(error->code), text);
}

static void patch(const char *path, const struct patch_options *options)
{
    struct patch_error error = {0};
    struct patch_change *change = NULL;

    require_told(patch_prepare(path, NULL, options, &change, NULL, &error) == PATCH_READY, &error,
                 "a dry run would patch it, the patch does not");
    require_told(patch_commit(change, &error), &error, "commit");
}

static void require_nothing_left(const char *path, const struct patch_options *options)
{
    struct patch_error error = {0};
    struct patch_report report;
    enum patch_outcome outcome = patch_prepare(path, NULL, options, NULL, &report, &error);

    require_told(outcome != PATCH_FAILED, &error, "the second patch fails");
    FUZZ_REQUIRE(outcome == PATCH_NOTHING, "the second patch has something to do");
    patch_report_finish(&report);
}

static void require_scanned(const char *path, const struct patch_options *options, size_t count)
{
    struct patch_error error = {0};
    struct patch_scan *scan;
    size_t redirected = 0;

    require_told(patch_scan(path, options, &scan, &error), &error, "scan of what was patched");
    for (size_t i = 0; i < scan->import_count; i++)
        redirected += scan->imports[i].redirected;
    /* Scan tells of those only that the options name; an earlier patch may have done others. */
    FUZZ_REQUIRE(redirected <= count, "%zu imports are redirected, scan sees %zu", count,
                 redirected);
    FUZZ_REQUIRE(scan->reverts, "scan sees no undo record");
    patch_scan_destroy(scan);
}

static void revert(const char *path, const struct patch_options *options)
{
    struct patch_error error = {0};
    struct patch_change *change = NULL;

    require_told(patch_prepare_revert(path, NULL, options, &change, NULL, &error) == PATCH_READY,
                 &error, "revert");
    require_told(patch_commit(change, &error), &error, "commit of the revert");
}

/* Back to the input or, if that was a patched file itself, to where its own record leads. */
static void require_reverted(const char *path, const struct patch_options *options,
                             const uint8_t *bytes, size_t size)
{
    const char *again = fuzz_write("again", bytes, size);
    struct patch_error error = {0};
    uint8_t *contents;

    revert(path, options);
    if (fuzz_same(path, bytes, size))
        return;
    FUZZ_REQUIRE(patch_prepare_revert(again, NULL, options, NULL, NULL, &error) == PATCH_READY,
                 "revert gives other bytes");
    revert(again, options);
    contents = fuzz_read(again, &size);
    FUZZ_REQUIRE(fuzz_same(path, contents, size), "revert gives neither version before");
    free(contents);
}

/* Adds those of a file that may be sound or not, but is readable since it can be patched. */
static void find_faults(const char *path, const struct patch_options *options,
                        struct faults *faults)
{
    struct patch_error error = {0};
    size_t known = faults->count;
    bool sound;

    require_told(patch_verify(path, options, take_fault, faults, &sound, &error), &error,
                 "verify of what can be patched");
    FUZZ_REQUIRE(sound == (faults->count == known), "sound and the checks disagree");
}

/* A file that was patched before is planned anew from its original, whose faults count too. */
static void add_faults_of_original(const struct patch_options *options, const uint8_t *bytes,
                                   size_t size, struct faults *faults)
{
    const char *original = fuzz_write("original", bytes, size);
    struct patch_error error = {0};

    if (patch_prepare_revert(original, NULL, options, NULL, NULL, &error) != PATCH_READY)
        return;
    revert(original, options);
    find_faults(original, options, faults);
}

static void try_all(const char *path, const struct patch_options *options, size_t redirected,
                    const uint8_t *bytes, size_t size)
{
    struct faults before = {0};
    struct faults after = {0};

    find_faults(path, options, &before);
    add_faults_of_original(options, bytes, size, &before);
    patch(path, options);
    find_faults(path, options, &after);
    require_no_new_fault(&before, &after);
    require_scanned(path, options, redirected);
    require_nothing_left(path, options);
    require_reverted(path, options, bytes, size);
}

void fuzz_patch(const uint8_t *bytes, size_t size)
{
    const struct patch_options options = fuzz_options(bytes, size);
    const char *path = fuzz_write("input", bytes, size);
    struct patch_error error = {0};
    struct patch_report report;

    switch (patch_prepare(path, NULL, &options, NULL, &report, &error)) {
    case PATCH_FAILED:
        fuzz_require_told(&error);
        break;
    case PATCH_NOTHING:
        patch_report_finish(&report);
        break;
    case PATCH_READY:
        try_all(path, &options, report.redirected, bytes, size);
        patch_report_finish(&report);
        break;
    }
}

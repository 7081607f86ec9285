/* SPDX-License-Identifier: MIT
 *
 * threads FILE...: a thread a file; each patches, scans, verifies and reverts its own, again and
 * again, and must always see the same.
 */
#include <greenify.h>
#include <greenify_hooks.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 25 };

static const char *const functions[] = {GREENIFY_HOOKS_ALL, NULL};
static const struct patch_options options = {
    .functions = functions, .prefix = GREENIFY_PREFIX, .runtime = GREENIFY_RUNTIME};

struct seen {
    size_t redirected;
    size_t call_sites;
    size_t checks;
};

static void die(const char *file, const char *what, const struct patch_error *error)
{
    char text[512];

    patch_error_format(error, text, sizeof(text));
    printf("%s: %s: %s\n", file, what, text);
    exit(1);
}

static void count(void *context, const char *name, enum patch_verdict verdict, const char *detail)
{
    (void)name;
    (void)detail;
    *(size_t *)context += verdict != PATCH_FAULT;
}

static void replace(const char *file, struct seen *seen)
{
    struct patch_report report;
    struct patch_change *change;
    struct patch_error error;

    if (patch_prepare(file, NULL, &options, &change, &report, &error) != PATCH_READY ||
        !patch_commit(change, &error))
        die(file, "patch", &error);
    seen->redirected = report.redirected;
    patch_report_finish(&report);
}

static void look(const char *file, struct seen *seen)
{
    struct patch_error error;
    struct patch_scan *scan;
    bool sound;

    if (!patch_scan(file, &options, &scan, &error))
        die(file, "scan", &error);
    for (size_t i = 0; i < scan->import_count; i++)
        seen->call_sites += scan->imports[i].call_site_count;
    patch_scan_destroy(scan);
    if (!patch_verify(file, &options, count, &seen->checks, &sound, &error) || !sound)
        die(file, "verify", &error);
}

static void restore(const char *file)
{
    struct patch_change *change;
    struct patch_error error;

    if (patch_prepare_revert(file, NULL, &options, &change, NULL, &error) != PATCH_READY ||
        !patch_commit(change, &error))
        die(file, "revert", &error);
}

static void *work(void *argument)
{
    const char *file = argument;
    struct seen first = {0};

    for (int i = 0; i < ROUNDS; i++) {
        struct seen seen = {0};
        replace(file, &seen);
        look(file, &seen);
        restore(file);
        if (i == 0)
            first = seen;
        if (seen.redirected != first.redirected || seen.call_sites != first.call_sites ||
            seen.checks != first.checks) {
            printf("%s: round %d differs\n", file, i);
            exit(1);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[16];

    if (argc < 2 || argc > 16)
        return 2;
    for (int i = 1; i < argc; i++)
        if (pthread_create(&threads[i], NULL, work, argv[i]) != 0)
            return 1;
    for (int i = 1; i < argc; i++)
        pthread_join(threads[i], NULL);
    puts("done");
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Entry by entry; only a library is unpacked to a file, under one name after another. What RECORD
 * says of each entry is checked as it goes by: nothing that was tampered with gets a new hash.
 */
#include "wheel_copy.h"

#include "digest.h"
#include "progress.h"
#include "report.h"
#include "settings.h"
#include "vendor.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 16, NEW_MODE = 0755, TEXT_MODE = 0644 };

/* Both archives, while they are open. */
struct passage {
    struct wheel_copy *copy;
    struct archive *from;
    struct archive *to;
    uint64_t unpacked;
    unsigned char block[BLOCK];
};

static bool system_failed(struct patch_error *error, const char *what)
{
    int number = errno;

    wheel_refuse(error, PATCH_SYSTEM, "%s: %s", what, strerror(number));
    error->system_error = number;
    return false;
}

/* The archive's own words may name the temporary file, but not why. */
static const char *reason_of(struct archive *archive)
{
    int number = libarchive.archive_errno(archive);

    return number > 0 ? strerror(number) : libarchive.archive_error_string(archive);
}

static bool write_failed(struct passage *passage, struct patch_error *error)
{
    return wheel_refuse(error, PATCH_SYSTEM, "the new wheel cannot be written: %s",
                        reason_of(passage->to));
}

/* --- one block at a time ---------------------------------------------------------------------- */

/* Up to a block of the current entry; *size is 0 at its end. What it unpacks to was limited by the
 * sizes in the list, which an entry may exceed all the same. */
static bool read_block(struct passage *passage, const char *name, size_t *size,
                       struct patch_error *error)
{
    la_ssize_t n = libarchive.archive_read_data(passage->from, passage->block, BLOCK);

    if (n < 0)
        return wheel_refuse(error, PATCH_PACKAGE, "'%.120s' cannot be unpacked: %s", name,
                            libarchive.archive_error_string(passage->from));
    *size = (size_t)n;
    passage->unpacked += *size;
    if (passage->unpacked > wheel_limit(passage->copy->settings))
        return wheel_refuse(error, PATCH_PACKAGE, "'%.120s' unpacks to more than it says", name);
    return true;
}

static bool write_block(struct passage *passage, const void *bytes, size_t size,
                        struct patch_error *error)
{
    return libarchive.archive_write_data(passage->to, bytes, size) == (la_ssize_t)size ||
           write_failed(passage, error);
}

/* The row of RECORD holds for an entry with this sum. */
static bool check_row(struct passage *passage, const char *name, const char *sum, uint64_t size,
                      int64_t expected, struct patch_error *error)
{
    const struct record_row *row = record_find(&passage->copy->list->record, name);

    if ((int64_t)size != expected)
        return wheel_refuse(error, PATCH_PACKAGE, "'%.160s' has another size than it says", name);
    if (row == NULL)
        return wheel_refuse(error, PATCH_PACKAGE, "RECORD has no row for '%.160s'", name);
    if (strncmp(row->hash, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) == 0 &&
        strcmp(row->hash, sum) != 0)
        return wheel_refuse(error, PATCH_PACKAGE, "'%.160s' is not what RECORD says", name);
    return true;
}

/* --- entries that stay as they are ------------------------------------------------------------ */

static bool pass_on(struct passage *passage, struct archive_entry *entry, const char *name,
                    size_t size, struct patch_error *error)
{
    char sum[DIGEST_TEXT];
    struct digest digest;

    digest_init(&digest);
    if (libarchive.archive_write_header(passage->to, entry) != ARCHIVE_OK)
        return write_failed(passage, error);
    while (size > 0) {
        digest_update(&digest, passage->block, size);
        if (!write_block(passage, passage->block, size, error) ||
            !read_block(passage, name, &size, error))
            return false;
    }
    if (libarchive.archive_entry_filetype(entry) == AE_IFDIR)
        return true;
    digest_finish(&digest, sum);
    return check_row(passage, name, sum, digest.size, libarchive.archive_entry_size(entry), error);
}

/* --- libraries -------------------------------------------------------------------------------- */

/* The rest of the entry goes into the file at `path`. */
static bool unpack(struct passage *passage, struct archive_entry *entry, const char *name,
                   const char *path, size_t size, struct patch_error *error)
{
    FILE *file = fopen(path, "we");
    char sum[DIGEST_TEXT];
    struct digest digest;
    bool done = true;

    if (file == NULL)
        return system_failed(error, "a temporary file cannot be written");
    digest_init(&digest);
    while (done && size > 0) {
        digest_update(&digest, passage->block, size);
        done = fwrite(passage->block, 1, size, file) == size ||
               system_failed(error, "a temporary file cannot be written");
        done = done && read_block(passage, name, &size, error);
    }
    if (fclose(file) != 0 && done)
        done = system_failed(error, "a temporary file cannot be written");
    digest_finish(&digest, sum);
    return done &&
           check_row(passage, name, sum, digest.size, libarchive.archive_entry_size(entry), error);
}

/* Appends the file at `path` as `entry`, whose size is set here, and gives its sum. */
static bool write_file(struct passage *passage, struct archive_entry *entry, const char *path,
                       char sum[DIGEST_TEXT], uint64_t *written, struct patch_error *error)
{
    FILE *file = fopen(path, "re");
    struct stat status;
    struct digest digest;
    bool done = true;
    size_t n;

    if (file == NULL || fstat(fileno(file), &status) != 0) {
        system_failed(error, "a temporary file cannot be read");
        if (file != NULL)
            fclose(file);
        return false;
    }
    digest_init(&digest);
    libarchive.archive_entry_set_size(entry, status.st_size);
    if (libarchive.archive_write_header(passage->to, entry) != ARCHIVE_OK)
        done = write_failed(passage, error);
    while (done && (n = fread(passage->block, 1, BLOCK, file)) > 0) {
        digest_update(&digest, passage->block, n);
        done = write_block(passage, passage->block, n, error);
    }
    if (done && ferror(file))
        done = system_failed(error, "a temporary file cannot be read");
    fclose(file);
    digest_finish(&digest, sum);
    *written = digest.size;
    return done;
}

/* Where the entry is installed, counted from the folder of the packages; NULL when it is not
 * installed below that. */
static const char *installed_name(const struct wheel_list *list, const char *name)
{
    size_t stem = strlen(list->info) - strlen(".dist-info");
    const char *rest = name + stem;

    if (strncmp(name, list->info, stem) != 0 || strncmp(rest, ".data/", 6) != 0)
        return name;
    rest += 6;
    return strncmp(rest, "purelib/", 8) == 0 || strncmp(rest, "platlib/", 8) == 0 ? rest + 8 : NULL;
}

/* "$ORIGIN/../NAME.libs" for the folder of that entry; the caller frees it. */
static char *run_path(const struct wheel_list *list, const char *installed)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (stream == NULL)
        return NULL;
    fputs("$ORIGIN/", stream);
    for (const char *at = strchr(installed, '/'); at != NULL; at = strchr(at + 1, '/'))
        fputs("../", stream);
    fputs(list->libraries, stream);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

static bool add_member(struct wheel_copy *copy, const char *name, struct patch_report *report,
                       struct patch_error *error)
{
    struct wheel_member *members = realloc(copy->members, (copy->count + 1) * sizeof(*members));

    if (members != NULL) {
        copy->members = members;
        members[copy->count] = (struct wheel_member){strdup(name), *report};
        if (members[copy->count].name != NULL) {
            copy->count++;
            return true;
        }
    }
    patch_report_finish(report);
    return wheel_refuse(error, PATCH_MEMORY, "out of memory");
}

static bool read_machine(struct wheel_copy *copy, const struct patch_options *options,
                         struct patch_error *error)
{
    struct patch_scan *scan = NULL;

    if (!patch_scan(copy->runtime->members[0].path, options, &scan, error))
        return false;
    copy->machine = scan->machine;
    patch_scan_destroy(scan);
    return true;
}

/* The runtime for the first library that needs it; every one must be for the same machine. */
static bool find_runtime(struct wheel_copy *copy, const char *path,
                         const struct patch_report *report, struct patch_error *error)
{
    struct patch_options options = settings_patch_options(copy->settings);
    struct patch_closure *closure = NULL;

    if (copy->runtime == NULL) {
        if (!patch_closure_find(path, &options, &closure, error))
            return false;
        copy->runtime = vendor_find(closure, copy->settings);
        patch_closure_destroy(closure);
        if (copy->runtime == NULL)
            return wheel_refuse(error, PATCH_PACKAGE,
                                "the runtime was not found; --runtime-file names it");
        if (!read_machine(copy, &options, error))
            return false;
    }
    return strcmp(copy->machine, report->machine) == 0 ||
           wheel_refuse(error, PATCH_PACKAGE, "it has libraries for %s, the runtime is for %s",
                        report->machine, copy->machine);
}

/* The patched version replaces the file at `path`. False: the whole wheel must fail. */
static bool patch_member(struct passage *passage, const char *name, const char *path,
                         struct patch_error *error)
{
    struct wheel_copy *copy = passage->copy;
    struct patch_options options = settings_patch_options(copy->settings);
    const char *installed = installed_name(copy->list, name);
    char *runpath = installed != NULL ? run_path(copy->list, installed) : NULL;
    struct patch_change *change = NULL;
    struct patch_report report = {0};
    enum patch_outcome outcome = PATCH_FAILED;
    bool done;

    if (installed == NULL) {
        wheel_refuse(error, PATCH_PACKAGE, "it is installed outside of the packages");
    } else if (runpath == NULL) {
        wheel_refuse(error, PATCH_MEMORY, "out of memory");
    } else {
        /* Only what is redirected needs to find the runtime. */
        outcome = patch_prepare(path, NULL, &options, NULL, NULL, error);
        options.runpath = runpath;
        if (outcome == PATCH_READY)
            outcome = patch_prepare(path, NULL, &options, &change, &report, error);
    }
    if (outcome == PATCH_FAILED)
        refusals_take(&copy->refusals, copy->settings, name, error);
    done = outcome != PATCH_FAILED || (!copy->settings->strict && !refusals_is_fatal(error));
    if (outcome == PATCH_READY)
        done = patch_commit(change, error) && find_runtime(copy, path, &report, error) &&
               add_member(copy, name, &report, error);
    free(runpath);
    return done;
}

static bool pass_library(struct passage *passage, struct archive_entry *entry, const char *name,
                         size_t size, struct patch_error *error)
{
    size_t before = passage->copy->count;
    struct record_row *row = record_find(&passage->copy->list->record, name);
    char sum[DIGEST_TEXT];
    char path[PATH_MAX];
    uint64_t written;

    snprintf(path, sizeof(path), "%s/library", passage->copy->folder);
    if (!unpack(passage, entry, name, path, size, error) ||
        !patch_member(passage, name, path, error) ||
        !write_file(passage, entry, path, sum, &written, error))
        return false;
    return passage->copy->count == before || record_set(row, sum, written) ||
           wheel_refuse(error, PATCH_MEMORY, "out of memory");
}

/* --- what is put in --------------------------------------------------------------------------- */

static struct archive_entry *new_entry(const struct wheel_copy *copy, const char *name, mode_t mode,
                                       struct patch_error *error)
{
    struct archive_entry *entry = libarchive.archive_entry_new();

    if (entry == NULL) {
        wheel_refuse(error, PATCH_MEMORY, "out of memory");
        return NULL;
    }
    libarchive.archive_entry_set_pathname(entry, name);
    libarchive.archive_entry_set_filetype(entry, AE_IFREG);
    libarchive.archive_entry_set_perm(entry, mode);
    libarchive.archive_entry_set_mtime(entry, copy->time, 0);
    return entry;
}

/* Makes a copy that finds what it needs in its own folder; *path is that copy, or the file itself
 * where it does so already. */
static bool prepare_runtime(struct wheel_copy *copy, const char *from, const char *to,
                            const char **path, struct patch_error *error)
{
    static const char *const none[] = {NULL};
    struct patch_options options = settings_patch_options(copy->settings);
    struct patch_change *change = NULL;
    enum patch_outcome outcome;

    options.functions = none;
    options.runpath = "$ORIGIN";
    outcome = patch_prepare(from, to, &options, &change, NULL, error);
    *path = outcome == PATCH_READY ? to : from;
    return outcome == PATCH_NOTHING || (outcome == PATCH_READY && patch_commit(change, error));
}

static bool keep_added(struct wheel_copy *copy, const char *name)
{
    char **added = realloc(copy->added, (copy->added_count + 1) * sizeof(*added));

    if (added == NULL)
        return false;
    copy->added = added;
    added[copy->added_count] = strdup(name);
    return added[copy->added_count] != NULL && ++copy->added_count > 0;
}

static bool add_library(struct passage *passage, const char *from, const char *base,
                        struct patch_error *error)
{
    struct wheel_copy *copy = passage->copy;
    struct archive_entry *entry;
    char sum[DIGEST_TEXT];
    const char *made = NULL;
    char path[PATH_MAX];
    char name[PATH_MAX];
    uint64_t written;
    bool done;

    snprintf(name, sizeof(name), "%s/%s", copy->list->libraries, base);
    snprintf(path, sizeof(path), "%s/library", copy->folder);
    if (wheel_list_has(copy->list, name))
        return true; /* from an earlier time */
    unlink(path);
    entry = new_entry(copy, name, NEW_MODE, error);
    if (entry == NULL)
        return false;
    done = prepare_runtime(copy, from, path, &made, error) &&
           write_file(passage, entry, made, sum, &written, error);
    libarchive.archive_entry_free(entry);
    if (done && (!record_add(&copy->list->record, name, sum, written) || !keep_added(copy, name)))
        done = wheel_refuse(error, PATCH_MEMORY, "out of memory");
    return done;
}

static bool add_runtime(struct passage *passage, struct patch_error *error)
{
    const struct patch_closure *runtime = passage->copy->runtime;

    for (size_t i = 0; i < runtime->count; i++) {
        const struct patch_member *member = &runtime->members[i];

        if (!vendor_is_platform(member->name) &&
            !add_library(passage, member->path, member->name, error))
            return false;
    }
    return true;
}

static bool write_record(struct passage *passage, struct patch_error *error)
{
    struct wheel_copy *copy = passage->copy;
    struct archive_entry *entry;
    char name[PATH_MAX];
    size_t size;
    char *text = record_write(&copy->list->record, &size);
    bool done;

    if (text == NULL)
        return wheel_refuse(error, PATCH_MEMORY, "out of memory");
    snprintf(name, sizeof(name), "%s/RECORD", copy->list->info);
    entry = new_entry(copy, name, TEXT_MODE, error);
    if (entry == NULL) {
        free(text);
        return false;
    }
    libarchive.archive_entry_set_size(entry, (la_int64_t)size);
    done = libarchive.archive_write_header(passage->to, entry) == ARCHIVE_OK ||
           write_failed(passage, error);
    done = done && write_block(passage, text, size, error);
    libarchive.archive_entry_free(entry);
    free(text);
    return done;
}

/* --- all of it -------------------------------------------------------------------------------- */

static bool pass_entry(struct passage *passage, struct archive_entry *entry,
                       struct patch_error *error)
{
    const char *name = wheel_entry_name(entry, error);
    size_t size = 0;

    if (name == NULL)
        return false;
    if (wheel_is_info(passage->copy->list, name, "RECORD")) {
        passage->copy->time = libarchive.archive_entry_mtime(entry);
        return true;
    }
    if (wheel_is_signature(passage->copy->list, name))
        return true;
    if (libarchive.archive_entry_filetype(entry) == AE_IFREG &&
        !read_block(passage, name, &size, error))
        return false;
    return size >= SELFMAG && memcmp(passage->block, ELFMAG, SELFMAG) == 0
               ? pass_library(passage, entry, name, size, error)
               : pass_on(passage, entry, name, size, error);
}

static bool pass_entries(struct passage *passage, struct patch_error *error)
{
    struct progress progress = progress_begin(passage->copy->settings, passage->copy->list->count);
    struct archive_entry *entry;
    int result = ARCHIVE_OK;
    bool done = true;

    for (size_t i = 0; done && (result = libarchive.archive_read_next_header(passage->from,
                                                                             &entry)) == ARCHIVE_OK;
         i++) {
        const char *name = libarchive.archive_entry_pathname(entry);

        progress_show(&progress, i, name != NULL ? name : "");
        done = pass_entry(passage, entry, error);
        if (done && transaction_was_interrupted(passage->copy->hold))
            done = wheel_refuse(error, PATCH_SYSTEM, "interrupted");
    }
    progress_end(&progress);
    if (done && result != ARCHIVE_EOF)
        done = wheel_refuse(error, PATCH_PACKAGE, "is a broken zip archive: %s",
                            libarchive.archive_error_string(passage->from));
    return done;
}

static struct archive *create(const char *path, struct patch_error *error)
{
    struct archive *archive = libarchive.archive_write_new();

    if (archive != NULL && libarchive.archive_write_set_format_zip(archive) == ARCHIVE_OK &&
        libarchive.archive_write_set_options(archive, "zip:hdrcharset=UTF-8") == ARCHIVE_OK &&
        libarchive.archive_write_open_filename(archive, path) == ARCHIVE_OK)
        return archive;
    wheel_refuse(error, PATCH_SYSTEM, "the new wheel cannot be written: %s",
                 archive != NULL ? reason_of(archive) : "out of memory");
    libarchive.archive_write_free(archive);
    return NULL;
}

bool wheel_copy_run(struct wheel_copy *copy, const char *input, const char *output,
                    struct patch_error *error)
{
    struct passage *passage = calloc(1, sizeof(*passage));
    bool done = false;

    if (passage == NULL)
        return wheel_refuse(error, PATCH_MEMORY, "out of memory");
    passage->copy = copy;
    passage->from = wheel_open(input, error);
    passage->to = passage->from != NULL ? create(output, error) : NULL;
    if (passage->to != NULL)
        done = pass_entries(passage, error) &&
               (copy->count == 0 || (add_runtime(passage, error) && write_record(passage, error)));
    if (done && libarchive.archive_write_close(passage->to) != ARCHIVE_OK)
        done = write_failed(passage, error);
    if (passage->to != NULL)
        libarchive.archive_write_free(passage->to);
    if (passage->from != NULL)
        libarchive.archive_read_free(passage->from);
    free(passage);
    return done;
}

void wheel_copy_finish(struct wheel_copy *copy)
{
    for (size_t i = 0; i < copy->count; i++) {
        free(copy->members[i].name);
        patch_report_finish(&copy->members[i].report);
    }
    for (size_t i = 0; i < copy->added_count; i++)
        free(copy->added[i]);
    free(copy->members);
    free(copy->added);
    patch_closure_destroy(copy->runtime);
}

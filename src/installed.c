/* SPDX-License-Identifier: MIT
 *
 * A row's path counts from the folder that the dist-info folder stands in. Each is made absolute
 * and looked up among the files of the transaction.
 */
#include "installed.h"

#include "digest.h"
#include "record.h"
#include "report.h"
#include "rewriting.h"
#include "settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE_LIMIT = 256 << 20 };

/* The files that are redirected, prepared or since an earlier run, by their path. */
struct prepared {
    const struct transaction_file **files;
    size_t count;
};

/* --- the files ---------------------------------------------------------------------------------
 */

static int compare_files(const void *a, const void *b)
{
    const struct transaction_file *x = *(const struct transaction_file *const *)a;
    const struct transaction_file *y = *(const struct transaction_file *const *)b;

    return strcmp(x->resolved, y->resolved);
}

/* A run that was killed may have renamed a library and not the RECORD that lists it. */
static bool was_done_before(const struct transaction_file *file)
{
    return file->state == TRANSACTION_NOTHING && file->report.redirected > 0;
}

static bool prepared_init(struct prepared *prepared, const struct transaction *transaction)
{
    *prepared = (struct prepared){
        .files = calloc(transaction->count + 1, sizeof(struct transaction_file *))};
    if (prepared->files == NULL) {
        message(NULL, "out of memory");
        return false;
    }
    for (size_t i = 0; i < transaction->count; i++) {
        const struct transaction_file *file = &transaction->files[i];

        if (file->resolved != NULL &&
            (was_done_before(file) || (file->state == TRANSACTION_READY && file->change != NULL)))
            prepared->files[prepared->count++] = file;
    }
    qsort(prepared->files, prepared->count, sizeof(*prepared->files), compare_files);
    return true;
}

static const struct transaction_file *prepared_find(const struct prepared *prepared,
                                                    const char *path)
{
    size_t low = 0;
    size_t high = prepared->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, prepared->files[middle]->resolved);

        if (order == 0)
            return prepared->files[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* --- paths ------------------------------------------------------------------------------------ */

/* FOLDER/PATH without "." and "..", as names go: the folder is resolved already. */
static bool join(const char *folder, const char *path, char *joined)
{
    size_t length = path[0] == '/' ? 0 : strlen(folder);

    if (length >= PATH_MAX)
        return false;
    memcpy(joined, folder, length);
    for (; *path != '\0'; path += strspn(path, "/")) {
        size_t part = strcspn(path, "/");

        if (part == 2 && strncmp(path, "..", 2) == 0) {
            while (length > 0 && joined[--length] != '/')
                continue;
        } else if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (length + 1 + part >= PATH_MAX)
                return false;
            joined[length++] = '/';
            memcpy(joined + length, path, part);
            length += part;
        }
        path += part;
    }
    joined[length] = '\0';
    return true;
}

/* The folder that holds the dist-info folder of this RECORD. */
static bool base_folder(const char *record, char *folder)
{
    if (realpath(record, folder) == NULL)
        return false;
    *strrchr(folder, '/') = '\0';
    *strrchr(folder, '/') = '\0';
    return true;
}

/* --- one RECORD ------------------------------------------------------------------------------- */

static void add_to_digest(void *context, const void *bytes, size_t size)
{
    digest_update(context, bytes, size);
}

static bool sum_of_change(const struct patch_change *change, char sum[DIGEST_TEXT], uint64_t *size,
                          struct patch_error *error)
{
    struct digest digest;

    digest_init(&digest);
    if (!patch_change_read(change, add_to_digest, &digest, error))
        return false;
    digest_finish(&digest, sum);
    *size = digest.size;
    return true;
}

static bool sum_of_file(const char *path, char sum[DIGEST_TEXT], uint64_t *size)
{
    if (digest_file(path, sum, size))
        return true;
    message(path, "cannot be read: %s", strerror(errno));
    return false;
}

/* Of the file as it will be. */
static bool new_sum(const struct transaction_file *file, char sum[DIGEST_TEXT], uint64_t *size)
{
    struct patch_error error;

    if (file->change == NULL)
        return sum_of_file(file->input, sum, size);
    if (sum_of_change(file->change, sum, size, &error))
        return true;
    message_failure(file->input, &error);
    return false;
}

/* Of the file as it was before it was patched; false when that cannot be told. */
static bool original_sum(const struct transaction_file *file, const struct settings *settings,
                         char sum[DIGEST_TEXT])
{
    struct patch_options options = settings_patch_options(settings);
    struct patch_change *change = NULL;
    struct patch_error error;
    uint64_t size;
    bool done;

    if (patch_prepare_revert(file->input, NULL, &options, &change, NULL, &error) != PATCH_READY)
        return false;
    done = sum_of_change(change, sum, &size, &error);
    patch_discard(change);
    return done;
}

/* Whether the row told the truth about the file as it is still, or was before an earlier run. Only
 * SHA-256 can be judged. False, after a message, when the file cannot be read. */
static bool judge_row(const struct record_row *row, const struct transaction_file *file,
                      const struct settings *settings, bool *held)
{
    char sum[DIGEST_TEXT];
    uint64_t size;

    if (strncmp(row->hash, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) != 0)
        *held = file->change != NULL;
    else if (file->change == NULL)
        *held = original_sum(file, settings, sum) && strcmp(sum, row->hash) == 0;
    else if (sum_of_file(file->input, sum, &size))
        *held = strcmp(sum, row->hash) == 0;
    else
        return false;
    return true;
}

static bool update_row(struct installed_record *entry, struct record_row *row,
                       const struct transaction_file *file, const struct settings *settings)
{
    char sum[DIGEST_TEXT];
    uint64_t size;
    bool held;

    if (!new_sum(file, sum, &size))
        return false;
    if (strcmp(sum, row->hash) == 0)
        return true;
    if (!judge_row(row, file, settings, &held))
        return false;
    if (!held) {
        if (file->change != NULL)
            message(entry->path, "its row for %s did not hold before, and is left as it is",
                    row->path);
        return true;
    }
    if (!record_set(row, sum, size)) {
        message(NULL, "out of memory");
        return false;
    }
    entry->rows++;
    return true;
}

static bool update_rows(struct installed_record *entry, struct record *record,
                        const struct prepared *prepared, const struct settings *settings)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];

    if (!base_folder(entry->path, folder)) {
        message(entry->path, "cannot be resolved: %s", strerror(errno));
        return false;
    }
    for (size_t i = 0; i < record->count; i++) {
        const struct transaction_file *file =
            join(folder, record->rows[i].path, path) ? prepared_find(prepared, path) : NULL;

        if (file != NULL && !update_row(entry, &record->rows[i], file, settings))
            return false;
    }
    return true;
}

static char *read_text(const char *path, size_t *size)
{
    FILE *stream = fopen(path, "re");
    char *text = NULL;
    FILE *memory;
    char part[4096];
    size_t n;

    if (stream == NULL)
        return NULL;
    memory = open_memstream(&text, size);
    while (memory != NULL && (n = fread(part, 1, sizeof(part), stream)) > 0) {
        fwrite(part, 1, n, memory);
        if (ftell(memory) > SIZE_LIMIT)
            break;
    }
    if (memory != NULL && (fclose(memory) != 0 || ferror(stream) || *size > SIZE_LIMIT)) {
        free(text);
        text = NULL;
        errno = errno != 0 ? errno : EFBIG;
    }
    fclose(stream);
    return text;
}

static bool prepare_contents(struct installed_record *entry, const struct record *record,
                             const struct settings *settings)
{
    struct patch_options options = settings_patch_options(settings);
    struct patch_error error;
    size_t size;
    char *text = record_write(record, &size);
    bool done;

    if (text == NULL) {
        message(NULL, "out of memory");
        return false;
    }
    done = patch_prepare_contents(entry->path, NULL, text, size, &options, &entry->change, &error);
    if (!done)
        message_failure(entry->path, &error);
    free(text);
    return done;
}

static bool prepare_record(struct installed_record *entry, const struct prepared *prepared,
                           const struct settings *settings)
{
    struct record record;
    char reason[256];
    size_t size;
    char *text = read_text(entry->path, &size);
    bool done;

    if (text == NULL) {
        message(entry->path, "cannot be read: %s", strerror(errno));
        return false;
    }
    done = record_parse(&record, text, size, reason, sizeof(reason));
    if (!done)
        message(entry->path, "is no list of files: %s", reason);
    done = done && update_rows(entry, &record, prepared, settings) &&
           (entry->rows == 0 || prepare_contents(entry, &record, settings));
    free(text);
    record_finish(&record);
    return done;
}

/* --- all of them ------------------------------------------------------------------------------ */

static bool is_replaced(const struct transaction_file *file)
{
    return file->state == TRANSACTION_READY && file->resolved != NULL;
}

/* Whether the text has the name of a file that will be replaced: a folder has many packages, and
 * those that have nothing to do with the file shall not be able to stop it. */
static bool may_list(const char *record, const struct transaction *transaction)
{
    size_t size;
    char *text = read_text(record, &size);
    bool found = false;

    for (size_t i = 0; text != NULL && !found && i < transaction->count; i++) {
        const struct transaction_file *file = &transaction->files[i];

        found = is_replaced(file) && strstr(text, strrchr(file->resolved, '/') + 1) != NULL;
    }
    free(text);
    return found;
}

bool installed_prepare_above(struct installed *installed, const struct transaction *transaction,
                             const struct settings *settings, struct report *report)
{
    struct walk_list *above = &installed->above;
    size_t kept = 0;
    bool done = true;

    for (size_t i = 0; done && i < transaction->count; i++)
        if (is_replaced(&transaction->files[i]))
            done = walk_records_above(above, transaction->files[i].resolved, report);
    for (size_t i = 0; i < above->count; i++) {
        if (may_list(above->paths[i], transaction))
            above->paths[kept++] = above->paths[i];
        else
            free(above->paths[i]);
    }
    above->count = kept;
    return done && (kept == 0 || installed_prepare(installed, above, transaction, settings));
}

bool installed_prepare(struct installed *installed, const struct walk_list *records,
                       const struct transaction *transaction, const struct settings *settings)
{
    struct prepared prepared;
    bool done;

    if (!prepared_init(&prepared, transaction))
        return false;
    installed->records = calloc(records->count + 1, sizeof(*installed->records));
    done = installed->records != NULL;
    if (!done)
        message(NULL, "out of memory");
    for (size_t i = 0; done && prepared.count > 0 && i < records->count; i++) {
        struct installed_record *entry = &installed->records[installed->count++];

        entry->path = records->paths[i];
        done = prepare_record(entry, &prepared, settings);
        if (done && entry->rows == 0)
            installed->count--;
    }
    free(prepared.files);
    return done;
}

bool installed_commit(struct installed *installed)
{
    struct patch_error error;
    bool done = true;

    for (size_t i = 0; i < installed->count; i++) {
        struct installed_record *entry = &installed->records[i];

        entry->written = patch_commit(entry->change, &error);
        entry->change = NULL;
        if (!entry->written)
            message_failure(entry->path, &error);
        done &= entry->written;
    }
    return done;
}

void installed_report(const struct installed *installed, struct report *report)
{
    for (size_t i = 0; i < installed->count; i++) {
        const struct installed_record *entry = &installed->records[i];

        if (!entry->written)
            continue;
        report_line(report, "%s: %zu row%s updated", entry->path, entry->rows, plural(entry->rows));
        if (report->json)
            report_append(report, "records",
                          json_pack("{s:o, s:I}", "file", report_string(entry->path), "rows",
                                    (json_int_t)entry->rows));
    }
}

void installed_finish(struct installed *installed)
{
    for (size_t i = 0; i < installed->count; i++)
        patch_discard(installed->records[i].change);
    free(installed->records);
    walk_list_finish(&installed->above);
    *installed = (struct installed){0};
}

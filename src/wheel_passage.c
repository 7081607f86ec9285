/* SPDX-License-Identifier: MIT
 *
 * Entry by entry, block by block.
 */
#include "wheel_passage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

bool passage_next(struct passage *passage, struct archive_entry **entry, struct patch_error *error)
{
    int result = libarchive.archive_read_next_header(passage->from->archive, entry);

    passage->size = 0;
    if (result != ARCHIVE_OK)
        *entry = NULL;
    return result == ARCHIVE_OK || result == ARCHIVE_EOF ||
           wheel_refuse(error, PATCH_PACKAGE, "is a broken zip archive: %s",
                        libarchive.archive_error_string(passage->from->archive));
}

/* What it unpacks to was limited by the sizes in the list, which an entry may exceed all the same.
 */
bool passage_read(struct passage *passage, const char *name, struct patch_error *error)
{
    la_ssize_t n =
        libarchive.archive_read_data(passage->from->archive, passage->block, PASSAGE_BLOCK);

    if (n < 0)
        return wheel_refuse(error, PATCH_PACKAGE, "'%.120s' cannot be unpacked: %s", name,
                            libarchive.archive_error_string(passage->from->archive));
    passage->size = (size_t)n;
    passage->unpacked += passage->size;
    if (passage->unpacked > passage->limit)
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
    const struct record_row *row = record_find(&passage->list->record, name);

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

bool passage_keep(struct passage *passage, struct archive_entry *entry, const char *name,
                  struct patch_error *error)
{
    char sum[DIGEST_TEXT];
    struct digest digest;

    digest_init(&digest);
    if (libarchive.archive_write_header(passage->to, entry) != ARCHIVE_OK)
        return write_failed(passage, error);
    while (passage->size > 0) {
        digest_update(&digest, passage->block, passage->size);
        if (!write_block(passage, passage->block, passage->size, error) ||
            !passage_read(passage, name, error))
            return false;
    }
    if (libarchive.archive_entry_filetype(entry) == AE_IFDIR)
        return true;
    digest_finish(&digest, sum);
    return check_row(passage, name, sum, digest.size, libarchive.archive_entry_size(entry), error);
}

/* --- files ------------------------------------------------------------------------------------ */

bool passage_unpack(struct passage *passage, struct archive_entry *entry, const char *name,
                    const char *path, struct patch_error *error)
{
    FILE *file = fopen(path, "we");
    char sum[DIGEST_TEXT];
    struct digest digest;
    bool done = true;

    if (file == NULL)
        return wheel_failed(error, "a temporary file cannot be written", errno);
    digest_init(&digest);
    while (done && passage->size > 0) {
        digest_update(&digest, passage->block, passage->size);
        done = fwrite(passage->block, 1, passage->size, file) == passage->size ||
               wheel_failed(error, "a temporary file cannot be written", errno);
        done = done && passage_read(passage, name, error);
    }
    if (fclose(file) != 0 && done)
        done = wheel_failed(error, "a temporary file cannot be written", errno);
    digest_finish(&digest, sum);
    return done &&
           check_row(passage, name, sum, digest.size, libarchive.archive_entry_size(entry), error);
}

struct archive_entry *passage_new_entry(const char *name, mode_t mode, time_t time,
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
    libarchive.archive_entry_set_mtime(entry, time, 0);
    return entry;
}

bool passage_put_file(struct passage *passage, struct archive_entry *entry, const char *path,
                      char sum[DIGEST_TEXT], uint64_t *written, struct patch_error *error)
{
    FILE *file = fopen(path, "re");
    struct stat status;
    struct digest digest;
    bool done = true;
    size_t n;

    if (file == NULL || fstat(fileno(file), &status) != 0) {
        wheel_failed(error, "a temporary file cannot be read", errno);
        if (file != NULL)
            fclose(file);
        return false;
    }
    digest_init(&digest);
    libarchive.archive_entry_set_size(entry, status.st_size);
    if (libarchive.archive_write_header(passage->to, entry) != ARCHIVE_OK)
        done = write_failed(passage, error);
    while (done && (n = fread(passage->block, 1, PASSAGE_BLOCK, file)) > 0) {
        digest_update(&digest, passage->block, n);
        done = write_block(passage, passage->block, n, error);
    }
    if (done && ferror(file))
        done = wheel_failed(error, "a temporary file cannot be read", errno);
    fclose(file);
    digest_finish(&digest, sum);
    *written = digest.size;
    return done;
}

bool passage_put_text(struct passage *passage, struct archive_entry *entry, const char *text,
                      size_t size, struct patch_error *error)
{
    libarchive.archive_entry_set_size(entry, (la_int64_t)size);
    return (libarchive.archive_write_header(passage->to, entry) == ARCHIVE_OK ||
            write_failed(passage, error)) &&
           write_block(passage, text, size, error);
}

/* --- both archives ---------------------------------------------------------------------------- */

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

bool passage_init(struct passage *passage, const struct wheel_list *list, uint64_t limit,
                  const char *input, const char *output, struct patch_error *error)
{
    passage->list = list;
    passage->limit = limit;
    passage->unpacked = 0;
    passage->to = NULL;
    passage->from = wheel_file_open(input, error);
    if (passage->from != NULL)
        passage->to = create(output, error);
    return passage->to != NULL;
}

bool passage_complete(struct passage *passage, struct patch_error *error)
{
    return libarchive.archive_write_close(passage->to) == ARCHIVE_OK ||
           write_failed(passage, error);
}

bool passage_finish(struct passage *passage, struct patch_error *error)
{
    if (passage->to != NULL)
        libarchive.archive_write_free(passage->to);
    return wheel_file_close(passage->from, error);
}

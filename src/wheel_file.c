/* SPDX-License-Identifier: MIT
 *
 * What libarchive calls to read and to seek.
 */
#include "wheel_file.h"

#include "wheel_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void note_failure(struct wheel_file *file)
{
    if (file->failure == 0)
        file->failure = errno;
}

static la_ssize_t read_block(struct archive *archive, void *context, const void **block)
{
    struct wheel_file *file = context;
    ssize_t n;

    (void)archive;
    do
        n = read(file->fd, file->block, sizeof(file->block));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        note_failure(file);
    *block = file->block;
    return n < 0 ? ARCHIVE_FATAL : n;
}

static la_int64_t seek(struct archive *archive, void *context, la_int64_t offset, int whence)
{
    struct wheel_file *file = context;
    off_t place = lseek(file->fd, offset, whence);

    (void)archive;
    /* EINVAL: the archive speaks of a place in front of the file. */
    if (place < 0 && errno != EINVAL)
        note_failure(file);
    return place < 0 ? ARCHIVE_FATAL : place;
}

/* A FIFO would be waited for. */
static bool open_regular(struct wheel_file *file, const char *path, struct patch_error *error)
{
    struct stat status;

    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0)
        return wheel_failed(error, "cannot open", errno);
    if (fstat(file->fd, &status) != 0)
        return wheel_failed(error, "cannot be looked at", errno);
    return S_ISREG(status.st_mode) ||
           wheel_refuse(error, PATCH_NOT_REGULAR, "is not a regular file");
}

static bool open_archive(struct wheel_file *file, struct patch_error *error)
{
    file->archive = libarchive.archive_read_new();
    if (file->archive == NULL)
        return wheel_refuse(error, PATCH_MEMORY, "out of memory");
    libarchive.archive_read_set_read_callback(file->archive, read_block);
    libarchive.archive_read_set_seek_callback(file->archive, seek);
    libarchive.archive_read_set_callback_data(file->archive, file);
    return (libarchive.archive_read_support_format_zip_seekable(file->archive) == ARCHIVE_OK &&
            libarchive.archive_read_open1(file->archive) == ARCHIVE_OK) ||
           wheel_refuse(error, PATCH_PACKAGE, "is no zip archive: %s",
                        libarchive.archive_error_string(file->archive));
}

struct wheel_file *wheel_file_open(const char *path, struct patch_error *error)
{
    if (!archive_load(error))
        return NULL;
    struct wheel_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        wheel_refuse(error, PATCH_MEMORY, "out of memory");
        return NULL;
    }
    if (open_regular(file, path, error) && open_archive(file, error))
        return file;
    (void)wheel_file_close(file, error);
    return NULL;
}

bool wheel_file_close(struct wheel_file *file, struct patch_error *error)
{
    if (file == NULL)
        return true;
    int failure = file->failure;
    if (file->archive != NULL)
        libarchive.archive_read_free(file->archive);
    if (file->fd >= 0)
        close(file->fd);
    free(file);
    return failure == 0 || wheel_failed(error, "cannot be read", failure);
}

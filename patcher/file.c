/* SPDX-License-Identifier: MIT
 *
 * Reading an input file whole.
 */
#include "file.h"

#include "error.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_all(struct file *file, struct patch_error *error)
{
    uint64_t done = 0;

    while (done < file->size) {
        ssize_t n = read(file->fd, file->bytes + done, file->size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_system(error, "read");
        if (n == 0)
            break;
        done += (uint64_t)n;
    }
    file->size = done;
    return true;
}

/* Of what is no ELF file, the beginning is enough to say what it is. */
static uint64_t size_to_read(const struct file *file)
{
    enum { BEGINNING = 64 };
    uint64_t size = (uint64_t)file->status.st_size;
    char magic[SELFMAG];

    if (size <= BEGINNING || (pread(file->fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
                              memcmp(magic, ELFMAG, SELFMAG) == 0))
        return size;
    return BEGINNING;
}

bool file_read(struct file *file, const char *path, struct patch_error *error)
{
    memset(file, 0, sizeof(*file));
    file->fd = -1;
    file->path = realpath(path, NULL);
    if (file->path == NULL)
        return error_system(error, "cannot resolve");
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file->fd < 0) {
        error_system(error, "cannot open");
        goto fail;
    }
    if (fstat(file->fd, &file->status) != 0) {
        error_system(error, "fstat");
        goto fail;
    }
    if (!S_ISREG(file->status.st_mode)) {
        error_set(error, PATCH_NOT_REGULAR, "%s",
                  S_ISDIR(file->status.st_mode) ? "is a directory" : "is not a regular file");
        goto fail;
    }
    file->size = size_to_read(file);
    file->bytes = malloc(file->size != 0 ? file->size : 1);
    if (file->bytes == NULL) {
        error_memory(error);
        goto fail;
    }
    if (read_all(file, error))
        return true;
fail:
    file_finish(file);
    return false;
}

void file_finish(struct file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->bytes);
    free(file->path);
    memset(file, 0, sizeof(*file));
    file->fd = -1;
}

const char *file_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

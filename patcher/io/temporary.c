/* SPDX-License-Identifier: MIT
 *
 * O_TMPFILE, names, and locks that tell the left from the living.
 */
#include "io/temporary.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* Names that one destination may have at a time: each is another run at work on it. */
enum { MOST_NAMES = 64 };

void temporary_path(int fd, char *path, size_t size)
{
    snprintf(path, size, "/proc/self/fd/%d", fd);
}

static void candidate(const char *destination, unsigned number, char *name)
{
    snprintf(name, TEMPORARY_NAME, ".greenify-%016" PRIx64,
             (uint64_t)XXH3_64bits(destination, strlen(destination)) + number);
}

/* Whether `name` in the folder is the file that `fd` is. */
static bool is_named(int folder, const char *name, int fd)
{
    struct stat file;
    struct stat named;

    return fstat(fd, &file) == 0 && fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           file.st_ino == named.st_ino && file.st_dev == named.st_dev;
}

/* Whoever holds the lock may remove the file: its maker is dead, or has not come to its own lock
 * yet and will look whether it is still there. */
static bool remove_left(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat status;
    bool removed = false;

    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        removed = is_named(folder, name, fd) && unlinkat(folder, name, 0) == 0;
    close(fd);
    return removed;
}

/* One attempt to take a name: 0, or errno. */
typedef int take(int folder, const char *name, int *fd);

static int take_by_link(int folder, const char *name, int *fd)
{
    char path[32];

    temporary_path(*fd, path, sizeof(path));
    return linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

static int take_by_creation(int folder, const char *name, int *fd)
{
    *fd = openat(folder, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (*fd < 0)
        return errno;
    /* A file system without locks has nobody who removes. */
    flock(*fd, LOCK_EX | LOCK_NB);
    if (is_named(folder, name, *fd))
        return 0;
    close(*fd);
    *fd = -1;
    return EEXIST;
}

/* Fails with errno set. */
static bool take_any(take *attempt, int folder, const char *destination, int *fd, char *name)
{
    int result = EEXIST;

    for (unsigned i = 0; i < MOST_NAMES && result == EEXIST; i++) {
        candidate(destination, i, name);
        result = attempt(folder, name, fd);
        if (result == EEXIST && remove_left(folder, name))
            result = attempt(folder, name, fd);
    }
    if (result == 0)
        return true;
    name[0] = '\0';
    errno = result;
    return false;
}

bool temporary_open(int folder, const char *destination, int *fd, char *name,
                    struct patch_error *error)
{
    name[0] = '\0';
    /* A nameless file gets its name by way of /proc. */
    if (access("/proc/self/fd", X_OK) == 0) {
        *fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (*fd >= 0)
            return true;
        if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
            return error_system(error, "cannot create a temporary file");
    }
    return take_any(take_by_creation, folder, destination, fd, name) ||
           error_system(error, "cannot create a temporary file");
}

bool temporary_name(int folder, const char *destination, int fd, char *name,
                    struct patch_error *error)
{
    flock(fd, LOCK_EX | LOCK_NB);
    return take_any(take_by_link, folder, destination, &fd, name) || error_system(error, "linkat");
}

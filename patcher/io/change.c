/* SPDX-License-Identifier: MIT
 *
 * Temporary file, attributes, and the one moment in which the new version becomes visible.
 */
#include "io/change.h"

#include "error.h"
#include "io/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

struct patch_change {
    struct stat input;         /* as it was read */
    bool in_place;             /* the destination is the input */
    char *path;                /* destination, resolved */
    int folder;                /* of the destination */
    int fd;                    /* of the new content */
    bool synced;               /* the new content is on the disk */
    char name[TEMPORARY_NAME]; /* under which the new content stands in the folder; "" while it has
                                  none */
};

/* --- destination -------------------------------------------------------------------------------
 */

/* A destination that does not exist yet: its folder must. */
static char *resolve_new(const char *output, struct patch_error *error)
{
    char *result = NULL;
    char what[160];
    const char *name = file_base_name(output);
    char *folder = name == output ? strdup(".") : strndup(output, (size_t)(name - output));

    if (folder == NULL || name[0] == '\0') {
        errno = folder == NULL ? ENOMEM : EISDIR;
        error_system(error, "cannot write");
        free(folder);
        return NULL;
    }
    snprintf(what, sizeof(what), "the folder of %s", output);
    char *real = realpath(folder, NULL);
    if (real == NULL)
        error_system(error, what);
    else if (asprintf(&result, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name) < 0)
        result = NULL;
    if (real != NULL && result == NULL)
        error_memory(error);
    free(real);
    free(folder);
    return result;
}

bool change_destination(const struct file *input, const char *output,
                        const struct patch_options *options, char **path, struct patch_error *error)
{
    struct stat status;

    *path = output == NULL ? strdup(input->path) : realpath(output, NULL);
    if (*path == NULL && output != NULL && errno == ENOENT)
        *path = resolve_new(output, error);
    else if (*path == NULL)
        return error_system(error, "cannot resolve the output");
    if (*path == NULL)
        return false;
    if (lstat(*path, &status) != 0)
        return true;
    if (S_ISREG(status.st_mode) && (status.st_nlink == 1 || options->allow_hard_links))
        return true;
    if (S_ISREG(status.st_mode))
        error_set(error, PATCH_HARD_LINKED, "has %" PRIu64 " names, the others would not follow",
                  (uint64_t)status.st_nlink);
    else
        error_set(error, PATCH_NOT_REGULAR, "the output exists and is not a regular file");
    free(*path);
    *path = NULL;
    return false;
}

/* --- the new file ------------------------------------------------------------------------------
 */

static bool open_folder(struct patch_change *change, struct patch_error *error)
{
    size_t length = (size_t)(file_base_name(change->path) - change->path);
    char *folder = length == 0 ? strdup(".") : strndup(change->path, length);

    if (folder == NULL)
        return error_memory(error);
    change->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    return change->folder >= 0 || error_system(error, "cannot open the folder of the output");
}

/* --- attributes --------------------------------------------------------------------------------
 */

/* Attributes that only root may set are dropped from a copy that somebody else makes. */
static bool copy_attribute(int from, int to, const char *name, bool in_place,
                           struct patch_error *error)
{
    bool done = true;
    ssize_t size = fgetxattr(from, name, NULL, 0);

    if (size < 0)
        return errno == ENODATA || errno == EOPNOTSUPP || error_system(error, name);
    char *value = malloc((size_t)size + 1);
    if (value == NULL)
        return error_memory(error);
    size = fgetxattr(from, name, value, (size_t)size);
    if (size < 0 || fsetxattr(to, name, value, (size_t)size, 0) != 0) {
        /* A label that policy sets by itself; elsewhere, a file system that has no such attributes.
         */
        bool harmless = strcmp(name, "security.selinux") == 0 ||
                        ((errno == EOPNOTSUPP || errno == EPERM) && !in_place);
        done = harmless || error_system(error, name);
    }
    free(value);
    return done;
}

/* All of them: user attributes, ACLs (system.posix_acl_access), security.capability. */
static bool copy_attributes(int from, int to, bool in_place, struct patch_error *error)
{
    ssize_t size = flistxattr(from, NULL, 0);
    bool done = true;

    if (size < 0)
        return errno == EOPNOTSUPP || error_system(error, "flistxattr");
    char *names = malloc((size_t)size + 1);
    if (names == NULL)
        return error_memory(error);
    size = flistxattr(from, names, (size_t)size);
    if (size < 0)
        done = error_system(error, "flistxattr");
    for (ssize_t at = 0; done && at < size; at += (ssize_t)strlen(names + at) + 1)
        done = copy_attribute(from, to, names + at, in_place, error);
    free(names);
    return done;
}

/* A copy elsewhere may belong to whoever made it; then it must not run as somebody else. */
static bool copy_owner(const struct file *input, int to, bool in_place, mode_t *mode,
                       struct patch_error *error)
{
    if (fchown(to, input->status.st_uid, input->status.st_gid) == 0)
        return true;
    if (errno != EPERM || in_place)
        return error_system(error, "fchown");
    *mode &= (mode_t) ~(S_ISUID | S_ISGID);
    return true;
}

/* In this order: a write or a new owner drops set-id bits and capabilities; all change the times.
 */
static bool copy_metadata(const struct file *input, int to, bool in_place,
                          struct patch_error *error)
{
    const struct timespec times[2] = {input->status.st_atim, input->status.st_mtim};
    mode_t mode = input->status.st_mode & 07777;

    if (!copy_owner(input, to, in_place, &mode, error))
        return false;
    if (fchmod(to, mode) != 0)
        return error_system(error, "fchmod");
    if (!copy_attributes(input->fd, to, in_place, error))
        return false;
    return futimens(to, times) == 0 || error_system(error, "futimens");
}

/* --- create, commit, discard -------------------------------------------------------------------
 */

bool change_create(const struct file *input, char *path, struct patch_change **out,
                   struct patch_error *error)
{
    struct patch_change *change = calloc(1, sizeof(*change));

    if (change == NULL) {
        free(path);
        return error_memory(error);
    }
    change->path = path;
    change->folder = -1;
    change->fd = -1;
    change->input = input->status;
    change->in_place = strcmp(path, input->path) == 0;
    if (!open_folder(change, error) || !temporary_open(change->folder, file_base_name(change->path),
                                                       &change->fd, change->name, error)) {
        patch_discard(change);
        return false;
    }
    *out = change;
    return true;
}

static bool is_same(const struct stat *now, const struct stat *then)
{
    return now->st_ino == then->st_ino && now->st_dev == then->st_dev &&
           now->st_size == then->st_size && now->st_mtim.tv_sec == then->st_mtim.tv_sec &&
           now->st_mtim.tv_nsec == then->st_mtim.tv_nsec;
}

static bool report_meanwhile(struct patch_error *error)
{
    return error_set(error, PATCH_CHANGED_SINCE, "somebody else changed it meanwhile");
}

bool change_complete(struct patch_change *change, const struct file *input,
                     struct patch_error *error)
{
    struct stat now;

    /* What was planned for one content must not be filled with another one. */
    if (fstat(input->fd, &now) != 0)
        return error_system(error, "fstat");
    if (!is_same(&now, &input->status))
        return report_meanwhile(error);
    if (!copy_metadata(input, change->fd, change->in_place, error))
        return false;
    /* The disk may begin while others are prepared. */
    sync_file_range(change->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return true;
}

int change_descriptor(const struct patch_change *change)
{
    return change->fd;
}

static void destroy(struct patch_change *change)
{
    if (change->fd >= 0)
        close(change->fd);
    if (change->folder >= 0)
        close(change->folder);
    free(change->path);
    free(change);
}

/* Gives the nameless file a name. linkat() never replaces, so an existing destination is replaced
 * by a rename from a temporary name; a new one is linked at once. */
static bool give_name(struct patch_change *change, bool *visible, struct patch_error *error)
{
    char path[64];

    if (change->name[0] != '\0')
        return true;
    temporary_path(change->fd, path, sizeof(path));
    if (linkat(AT_FDCWD, path, change->folder, file_base_name(change->path), AT_SYMLINK_FOLLOW) ==
        0) {
        *visible = true;
        return true;
    }
    if (errno != EEXIST)
        return error_system(error, "linkat");
    return temporary_name(change->folder, file_base_name(change->path), change->fd, change->name,
                          error);
}

/* An upgrade that came in between must not be undone by a version of the old file. */
static bool check_still_there(const struct patch_change *change, struct patch_error *error)
{
    struct stat now;
    const struct stat *then = &change->input;

    if (!change->in_place)
        return true;
    if (fstatat(change->folder, file_base_name(change->path), &now, AT_SYMLINK_NOFOLLOW) != 0)
        return error_system(error, "the file is gone");
    return is_same(&now, then) || report_meanwhile(error);
}

bool patch_sync(struct patch_change *change, struct patch_error *error)
{
    if (!change->synced && fsync(change->fd) != 0)
        return error_system(error, "fsync");
    change->synced = true;
    return true;
}

bool patch_commit(struct patch_change *change, struct patch_error *error)
{
    bool visible = false;
    bool done = patch_sync(change, error) && check_still_there(change, error) &&
                give_name(change, &visible, error);

    if (done && !visible) {
        done = renameat(change->folder, change->name, change->folder,
                        file_base_name(change->path)) == 0;
        if (!done)
            error_system(error, "rename");
        else
            change->name[0] = '\0';
    }
    if (done && fsync(change->folder) != 0 && errno != EINVAL)
        done = error_system(error, "fsync of the folder");
    patch_discard(change);
    return done;
}

void patch_discard(struct patch_change *change)
{
    if (change == NULL)
        return;
    if (change->name[0] != '\0')
        unlinkat(change->folder, change->name, 0);
    destroy(change);
}

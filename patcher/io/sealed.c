/* SPDX-License-Identifier: MIT
 *
 * One list for each kind of place in which sums and signatures are kept.
 */
#include "io/sealed.h"

#include "error.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- prelink -----------------------------------------------------------------------------------
 */

static const struct {
    int64_t tag;
    const char *name;
} prelink_tags[] = {
    {DT_GNU_PRELINKED, "DT_GNU_PRELINKED"},
    {DT_CHECKSUM, "DT_CHECKSUM"},
    {DT_GNU_LIBLIST, "DT_GNU_LIBLIST"},
    {DT_GNU_CONFLICT, "DT_GNU_CONFLICT"},
};

static bool check_prelink(const struct image *image, struct patch_error *error)
{
    for (size_t i = 0; i < sizeof(prelink_tags) / sizeof(prelink_tags[0]); i++) {
        const Elf64_Dyn *entry = image_dynamic(image, prelink_tags[i].tag);
        if (entry != NULL)
            return error_set_at(error, PATCH_PRELINKED, ".dynamic",
                                image_dynamic_offset(image, entry),
                                "it is prelinked (%s); prelink -u gives back what can be patched",
                                prelink_tags[i].name);
    }
    return true;
}

/* --- sums in notes -----------------------------------------------------------------------------
 */

enum { NOTE_HEAD = 12, MOST_NOTES = 1 << 16 };

/* Of libgcrypt and whoever follows the same convention: an HMAC over what is loaded. */
static const struct {
    const char *owner;
    uint32_t type;
} integrity_notes[] = {{"FDO", 0xcafe2a8e}};

static bool is_integrity_note(const uint8_t *name, uint64_t size, uint32_t type)
{
    for (size_t i = 0; i < sizeof(integrity_notes) / sizeof(integrity_notes[0]); i++)
        if (type == integrity_notes[i].type && size == strlen(integrity_notes[i].owner) + 1 &&
            memcmp(name, integrity_notes[i].owner, size) == 0)
            return true;
    return false;
}

/* Offset in the segment of the note that holds a sum; `size` when there is none. */
static uint64_t find_integrity_note(const struct image *image, const Elf64_Phdr *s, uint64_t size)
{
    uint64_t align = s->p_align == 8 ? 8 : 4;

    for (uint64_t at = 0; size - at >= NOTE_HEAD;) {
        uint64_t head = s->p_offset + at;
        uint64_t name = image_number(image, head, 4);
        uint64_t content = image_number(image, head + 4, 4);
        uint32_t type = (uint32_t)image_number(image, head + 8, 4);
        uint64_t whole = (NOTE_HEAD + name + align - 1) & ~(align - 1);
        whole += (content + align - 1) & ~(align - 1);
        if (whole > size - at)
            break;
        if (is_integrity_note(image->bytes + head + NOTE_HEAD, name, type))
            return at;
        at += whole;
    }
    return size;
}

static bool check_notes(const struct image *image, struct patch_error *error)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        uint64_t size = s->p_filesz < MOST_NOTES ? s->p_filesz : MOST_NOTES;
        if (s->p_type != PT_NOTE)
            continue;
        if (!image_load(image, s->p_offset, size, error))
            return false;
        uint64_t at = find_integrity_note(image, s, size);
        image_release(image, s->p_offset, size);
        if (at < size)
            return error_set_at(error, PATCH_SIGNED, "PT_NOTE", s->p_offset + at,
                                "a note holds the sum by which the library checks itself");
    }
    return true;
}

bool sealed_check_image(const struct image *image, const struct patch_options *options,
                        struct patch_error *error)
{
    return check_prelink(image, error) && (options->allow_signed || check_notes(image, error));
}

/* --- sums beside the file ----------------------------------------------------------------------
 */

/* What stands before and behind the name, and which ending of the name gives way to that. */
static const struct {
    const char *before;
    const char *behind;
    const char *instead_of;
} neighbours[] = {
    {".", ".hmac", ""},          /* libgcrypt, GnuTLS, OpenSSL 1.1, libkcapi */
    {"", ".hmac", ""},           /* fipscheck */
    {"fipscheck/", ".hmac", ""}, /* fipscheck, with a folder */
    {"", ".chk", ".so"},         /* NSS */
};

static bool has_neighbour(const char *folder, int length, const char *name, char *path)
{
    for (size_t i = 0; i < sizeof(neighbours) / sizeof(neighbours[0]); i++) {
        size_t keep = strlen(name);
        size_t ending = strlen(neighbours[i].instead_of);
        if (keep <= ending || strcmp(name + keep - ending, neighbours[i].instead_of) != 0)
            continue;
        int used = snprintf(path, PATH_MAX, "%.*s%s%.*s%s", length, folder, neighbours[i].before,
                            (int)(keep - ending), name, neighbours[i].behind);
        if (used > 0 && used < PATH_MAX && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* In the folder of `path`, by its own name and by the library's. */
static bool check_neighbours(const char *path, const char *soname, struct patch_error *error)
{
    const char *base = file_base_name(path);
    char found[PATH_MAX];

    if (has_neighbour(path, (int)(base - path), base, found) ||
        (soname != NULL && strchr(soname, '/') == NULL && strcmp(soname, base) != 0 &&
         has_neighbour(path, (int)(base - path), soname, found)))
        return error_set(error, PATCH_SIGNED, "its checksum stands in %s", found);
    return true;
}

/* --- what the kernel checks --------------------------------------------------------------------
 */

/* The first byte of security.ima that means a signature; others mean a mere sum. */
enum { IMA_SIGNATURE = 0x03, IMA_VERITY_SIGNATURE = 0x06 };

static bool check_kernel(int fd, struct patch_error *error)
{
    unsigned char ima[4096];
    struct statx status;

    if (fgetxattr(fd, "security.ima", ima, sizeof(ima)) > 0 &&
        (ima[0] == IMA_SIGNATURE || ima[0] == IMA_VERITY_SIGNATURE))
        return error_set(error, PATCH_SIGNED, "it has a signature (security.ima)");
    if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 &&
        (status.stx_attributes & STATX_ATTR_VERITY) != 0)
        return error_set(error, PATCH_SIGNED, "it is protected by fs-verity");
    return true;
}

/* Then another name of the file may have neighbours of its own. */
static bool is_link(const char *name)
{
    struct stat status;

    return lstat(name, &status) == 0 && S_ISLNK(status.st_mode);
}

bool sealed_check_file(const struct file *file, const char *name, const struct image *image,
                       const struct patch_options *options, struct patch_error *error)
{
    if (options->allow_signed)
        return true;
    return check_neighbours(file->path, image_soname(image), error) &&
           (!is_link(name) || check_neighbours(name, NULL, error)) && check_kernel(file->fd, error);
}

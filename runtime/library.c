/* SPDX-License-Identifier: MIT
 *
 * Found by the list of what is loaded, and held by a handle of the loader's: that waits for a load
 * or unload that is under way in another thread.
 */
#include "library.h"

#include "green.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- finding ---------------------------------------------------------------------------------- */

static bool is_same_file(const char *a, const char *b)
{
    char *resolved_a = realpath(a, NULL), *resolved_b = realpath(b, NULL);
    bool same = resolved_a != NULL && resolved_b != NULL && strcmp(resolved_a, resolved_b) == 0;

    free(resolved_a);
    free(resolved_b);
    return same;
}

static bool is_wanted(const char *wanted, const char *path, const struct loaded *object)
{
    if (strchr(wanted, '/') != NULL)
        return strcmp(wanted, path) == 0 || is_same_file(wanted, path);
    return strcmp(wanted, loaded_base_name(path)) == 0 ||
           (object->soname != NULL && strcmp(wanted, object->soname) == 0);
}

static void note_segment(struct library *library, const ElfW(Phdr) * segment)
{
    uintptr_t start = library->object.base + segment->p_vaddr, end = start + segment->p_memsz;

    if (segment->p_type == PT_DYNAMIC)
        library->object.dynamic = (const ElfW(Dyn) *)start;
    if (segment->p_type == PT_GNU_RELRO) {
        library->relro_start = start;
        library->relro_end = end;
    }
    if (segment->p_type != PT_LOAD)
        return;
    if (library->end == 0)
        library->start = start;
    library->end = end;
    if ((segment->p_flags & PF_W) == 0)
        return;
    if (library->writable_end == 0)
        library->writable_start = start;
    library->writable_end = end;
}

/* What is looked for, and where it was found. */
struct search {
    const char *wanted;
    struct library *library;
    bool found;
};

/* Of a library that is being loaded just now only the path is to be relied on. */
static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *search = data;
    struct library library = {.object.base = info->dlpi_addr};

    (void)size;
    if (info->dlpi_name == NULL || info->dlpi_name[0] == '\0')
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        note_segment(&library, &info->dlpi_phdr[i]);
    if (library.object.dynamic == NULL)
        return 0;
    if (strchr(search->wanted, '/') == NULL)
        (void)loaded_read(&library.object, library.object.base, library.object.dynamic);
    if (!is_wanted(search->wanted, info->dlpi_name, &library.object))
        return 0;
    library.path = strdup(info->dlpi_name);
    search->found = true;
    *search->library = library;
    return 1;
}

static int find(struct library *library, const char *name)
{
    struct search search = {.wanted = name, .library = library};

    (void)dl_iterate_phdr(look_at, &search);
    if (!search.found)
        errno = ENOENT;
    else if (library->path == NULL)
        errno = ENOMEM;
    return search.found && library->path != NULL ? 0 : -1;
}

/* The hooks themselves call what these import; libgreen may bear any file name. */
static bool is_own_ground(const struct library *library)
{
    Dl_info self;

    return loaded_is_ground(loaded_base_name(library->path)) ||
           (dladdr((void *)green_patch_loaded, &self) != 0 &&
            (ElfW(Addr))self.dli_fbase == library->object.base);
}

/* --- holding ---------------------------------------------------------------------------------- */

/* Finds it once more with the handle: before, it may have been half loaded, or half gone. */
static int hold(struct library *library, const char *name)
{
    char *path;
    void *handle;
    int status;

    if (find(library, name) != 0)
        return -1;
    path = library->path;
    handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    errno = ENOENT;
    status = handle == NULL ? -1 : find(library, path);
    free(path);
    if (status == 0)
        library->handle = handle;
    else if (handle != NULL)
        dlclose(handle);
    return status;
}

int library_hold(struct library *library, const char *name)
{
    if (name == NULL || name[0] == '\0') {
        errno = EINVAL;
        return -1;
    }
    if (hold(library, name) != 0)
        return -1;
    errno = 0;
    if (is_own_ground(library))
        errno = EPERM;
    else if (!loaded_read(&library->object, library->object.base, library->object.dynamic))
        errno = ENOEXEC;
    if (errno == 0)
        return 0;
    library_release(library);
    return -1;
}

void library_release(struct library *library)
{
    int saved = errno;

    dlclose(library->handle);
    free(library->path);
    errno = saved;
}

/* --- memory ----------------------------------------------------------------------------------- */

bool library_has_writable(const struct library *library, const uintptr_t *slot)
{
    return (uintptr_t)slot >= library->writable_start && (uintptr_t)slot < library->writable_end;
}

bool library_has_relro(const struct library *library, const uintptr_t *slot)
{
    return (uintptr_t)slot >= library->relro_start && (uintptr_t)slot < library->relro_end;
}

/* The loader protects whole pages only, so the end is rounded down. */
int library_protect(const struct library *library, int protection)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = library->relro_start & -page, end = library->relro_end & -page;

    return start < end ? mprotect((void *)start, end - start, protection) : 0;
}

struct place {
    ElfW(Addr) base;
    const ElfW(Dyn) * dynamic;
};

static int compare_place(struct dl_phdr_info *info, size_t size, void *data)
{
    const struct place *place = data;

    (void)size;
    if (info->dlpi_addr != place->base)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC &&
            info->dlpi_addr + info->dlpi_phdr[i].p_vaddr == (ElfW(Addr))place->dynamic)
            return 1;
    return 0;
}

bool library_is_loaded(ElfW(Addr) base, const ElfW(Dyn) * dynamic)
{
    struct place place = {base, dynamic};

    return dl_iterate_phdr(compare_place, &place) != 0;
}

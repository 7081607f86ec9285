/* SPDX-License-Identifier: MIT
 *
 * Redirection in memory: the slots of a library that is loaded, as the dynamic loader left them,
 * are overwritten with the addresses of the hooks. The file is not touched. What was written is
 * kept, so that it can be taken back.
 */
#include "green.h"
#include "hook_table.h"
#include "loaded.h"
#include "relocation.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One slot and what it held before. */
struct slot {
    uintptr_t *place;
    uintptr_t before, after;
};

/* One library that was redirected. */
struct redirection {
    struct redirection *next;
    ElfW(Addr) base;
    const ElfW(Dyn) * dynamic;
    struct slot *slots;
    size_t count, capacity;
};

static struct redirection *redirections;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* --- a loaded library ------------------------------------------------------------------------- */

/* What the loader mapped; addresses are those of this process. */
struct library {
    const char *wanted; /* by the caller */
    const char *path;
    struct loaded object;
    uintptr_t relro_start, relro_end;       /* made read-only after relocation */
    uintptr_t writable_start, writable_end; /* from the first writable segment to the last */
};

static bool is_same_file(const char *a, const char *b)
{
    char *resolved_a = realpath(a, NULL), *resolved_b = realpath(b, NULL);
    bool same = resolved_a != NULL && resolved_b != NULL && strcmp(resolved_a, resolved_b) == 0;

    free(resolved_a);
    free(resolved_b);
    return same;
}

/* A name with a slash is a path, any other the last part of one. */
static bool is_wanted(const char *wanted, const char *path)
{
    if (path == NULL || path[0] == '\0')
        return false;
    if (strchr(wanted, '/') == NULL)
        return strcmp(wanted, loaded_base_name(path)) == 0;
    return strcmp(wanted, path) == 0 || is_same_file(wanted, path);
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
    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) != 0) {
        if (library->writable_start == 0)
            library->writable_start = start;
        library->writable_end = end;
    }
}

static int find(struct dl_phdr_info *info, size_t size, void *found)
{
    struct library *library = found;

    (void)size;
    if (!is_wanted(library->wanted, info->dlpi_name))
        return 0;
    library->object.base = info->dlpi_addr;
    library->path = info->dlpi_name;
    for (int i = 0; i < info->dlpi_phnum; i++)
        note_segment(library, &info->dlpi_phdr[i]);
    return library->object.dynamic != NULL;
}

/* --- writing slots ---------------------------------------------------------------------------- */

static bool is_relro(const struct library *library, const uintptr_t *place)
{
    return (uintptr_t)place >= library->relro_start && (uintptr_t)place < library->relro_end;
}

/* The loader protects whole pages only, so the end is rounded down. */
static int relro_protect(const struct library *library, int protection)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = library->relro_start & -page, end = library->relro_end & -page;

    return start < end ? mprotect((void *)start, end - start, protection) : 0;
}

static int keep(struct redirection *redirection, uintptr_t *place, uintptr_t after)
{
    if (redirection->count == redirection->capacity) {
        size_t capacity = 2 * redirection->capacity + 16;
        struct slot *slots = reallocarray(redirection->slots, capacity, sizeof *slots);

        if (slots == NULL)
            return -1;
        redirection->slots = slots;
        redirection->capacity = capacity;
    }
    redirection->slots[redirection->count++] = (struct slot){place, *place, after};
    return 0;
}

static bool writes_address(const ElfW(Rela) * entry)
{
    unsigned type = (unsigned)ELF64_R_TYPE(entry->r_info);

    return type == RELOCATION_JUMP_SLOT || type == RELOCATION_GLOB_DAT ||
           type == RELOCATION_ABSOLUTE;
}

/* Lists every slot of an imported function that has a hook. */
static int list_slots(const struct library *library, int table, struct redirection *redirection)
{
    const struct loaded *object = &library->object;

    for (size_t i = 0; i < object->tables[table].count; i++) {
        const ElfW(Rela) *entry = &object->tables[table].entries[i];
        uintptr_t *place = (uintptr_t *)(object->base + entry->r_offset);
        const char *name;
        void *hook;

        if (!writes_address(entry) || (uintptr_t)place < library->writable_start ||
            (uintptr_t)place >= library->writable_end)
            continue;
        name = loaded_import(object, ELF64_R_SYM(entry->r_info));
        hook = name != NULL ? hook_table_find(name) : NULL;
        if (hook != NULL && *place != (uintptr_t)hook + (uintptr_t)entry->r_addend &&
            keep(redirection, place, (uintptr_t)hook + (uintptr_t)entry->r_addend) != 0)
            return -1;
    }
    return 0;
}

static bool touches_relro(const struct library *library, const struct redirection *redirection)
{
    for (size_t i = 0; i < redirection->count; i++)
        if (is_relro(library, redirection->slots[i].place))
            return true;
    return false;
}

/* Other threads may be calling through these slots: each changes in one store. */
static int write_slots(const struct library *library, const struct redirection *redirection,
                       bool back)
{
    bool relro = touches_relro(library, redirection);

    if (relro && relro_protect(library, PROT_READ | PROT_WRITE) != 0)
        return -1;
    for (size_t i = 0; i < redirection->count; i++) {
        const struct slot *slot = &redirection->slots[i];

        if (!back || *slot->place == slot->after) /* else somebody wrote it after us */
            __atomic_store_n(slot->place, back ? slot->before : slot->after, __ATOMIC_RELEASE);
    }
    return relro ? relro_protect(library, PROT_READ) : 0;
}

/* --- the interface ---------------------------------------------------------------------------- */

/* The hooks themselves call what these import; libgreen may bear any file name. */
static bool is_own_ground(const struct library *library)
{
    Dl_info self;

    return loaded_is_ground(loaded_base_name(library->path)) ||
           (dladdr((void *)green_patch_loaded, &self) != 0 &&
            (ElfW(Addr))self.dli_fbase == library->object.base);
}

static int locate(const char *name, struct library *library)
{
    *library = (struct library){.wanted = name};
    if (name == NULL || name[0] == '\0') {
        errno = EINVAL;
        return -1;
    }
    if (dl_iterate_phdr(find, library) == 0) {
        errno = ENOENT;
        return -1;
    }
    if (is_own_ground(library)) {
        errno = EPERM;
        return -1;
    }
    if (!loaded_read(&library->object, library->object.base, library->object.dynamic)) {
        errno = ENOEXEC;
        return -1;
    }
    return 0;
}

static void redirection_destroy(struct redirection *redirection)
{
    if (redirection != NULL)
        free(redirection->slots);
    free(redirection);
}

/* With the lock held. */
static int redirect(const struct library *library)
{
    struct redirection *redirection = calloc(1, sizeof *redirection);
    int count;

    if (redirection == NULL)
        return -1;
    redirection->base = library->object.base;
    redirection->dynamic = library->object.dynamic;
    if (list_slots(library, 0, redirection) != 0 || list_slots(library, 1, redirection) != 0 ||
        write_slots(library, redirection, false) != 0) {
        redirection_destroy(redirection);
        return -1;
    }
    count = (int)redirection->count;
    if (count == 0) {
        redirection_destroy(redirection);
        return 0;
    }
    redirection->next = redirections;
    redirections = redirection;
    return count;
}

int green_patch_loaded(const char *name)
{
    struct library library;
    int count;

    if (locate(name, &library) != 0)
        return -1;
    pthread_mutex_lock(&lock);
    count = redirect(&library);
    pthread_mutex_unlock(&lock);
    return count;
}

/* With the lock held. A record of a library that was unloaded since matches nothing that is loaded,
 * or a newcomer at its address whose slots do not hold what was written. */
static int take_back(const struct library *library)
{
    struct redirection **link = &redirections;
    int count = 0;

    while (*link != NULL) {
        struct redirection *redirection = *link;

        if (redirection->base != library->object.base ||
            redirection->dynamic != library->object.dynamic) {
            link = &redirection->next;
            continue;
        }
        if (write_slots(library, redirection, true) != 0)
            return -1;
        count += (int)redirection->count;
        *link = redirection->next;
        redirection_destroy(redirection);
    }
    return count;
}

int green_unpatch_loaded(const char *name)
{
    struct library library;
    int count;

    if (locate(name, &library) != 0)
        return -1;
    pthread_mutex_lock(&lock);
    count = take_back(&library);
    pthread_mutex_unlock(&lock);
    return count;
}

/* SPDX-License-Identifier: MIT
 *
 * Redirection in memory: the slots of a library that is loaded, as the dynamic loader left them,
 * are overwritten with the addresses of the hooks. The file is not touched. What was written is
 * kept, so that it can be taken back.
 */
#include "green.h"
#include "hook_table.h"
#include "library.h"
#include "relocation.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <time.h>

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

/* --- the slots of a library ------------------------------------------------------------------- */

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

static bool writes_address(unsigned type)
{
    return type == RELOCATION_JUMP_SLOT || type == RELOCATION_GLOB_DAT ||
           type == RELOCATION_ABSOLUTE;
}

/* A weak function that nobody defines stays away. And a pointer in the program's own data may have
 * another value by now: that is left alone. */
static bool is_as_bound(const struct library *library, const ElfW(Rela) * entry,
                        const uintptr_t *place, const char *name)
{
    if (*place == 0)
        return false;
    return ELF64_R_TYPE(entry->r_info) != RELOCATION_ABSOLUTE ||
           library_has_relro(library, place) ||
           *place == (uintptr_t)dlsym(RTLD_DEFAULT, name) + (uintptr_t)entry->r_addend;
}

/* Lists the slot of an imported function that has a hook. */
static int list_slot(const struct library *library, const ElfW(Rela) * entry,
                     struct redirection *redirection)
{
    uintptr_t *place = (uintptr_t *)(library->object.base + entry->r_offset);
    const char *name;
    uintptr_t hook;

    if (!writes_address((unsigned)ELF64_R_TYPE(entry->r_info)) ||
        !library_has_writable(library, place))
        return 0;
    name = loaded_import(&library->object, ELF64_R_SYM(entry->r_info));
    hook = name != NULL ? (uintptr_t)hook_table_find(name) : 0;
    if (hook == 0 || *place == hook + (uintptr_t)entry->r_addend ||
        !is_as_bound(library, entry, place, name))
        return 0;
    return keep(redirection, place, hook + (uintptr_t)entry->r_addend);
}

static int list_slots(const struct library *library, struct redirection *redirection)
{
    for (int table = 0; table < 2; table++)
        for (size_t i = 0; i < library->object.tables[table].count; i++)
            if (list_slot(library, &library->object.tables[table].entries[i], redirection) != 0)
                return -1;
    return 0;
}

/* Another thread may have written some meanwhile. */
static void drop_written(struct redirection *redirection)
{
    size_t kept = 0;

    for (size_t i = 0; i < redirection->count; i++)
        if (*redirection->slots[i].place != redirection->slots[i].after)
            redirection->slots[kept++] = redirection->slots[i];
    redirection->count = kept;
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool touches_relro(const struct library *library, const struct redirection *redirection)
{
    for (size_t i = 0; i < redirection->count; i++)
        if (library_has_relro(library, redirection->slots[i].place))
            return true;
    return false;
}

/* Other threads may be calling through these slots: each changes in one store. */
static void store(const struct redirection *redirection)
{
    for (size_t i = 0; i < redirection->count; i++)
        __atomic_store_n(redirection->slots[i].place, redirection->slots[i].after,
                         __ATOMIC_RELEASE);
}

/* Not what somebody else wrote after us. */
static void store_back(const struct redirection *redirection)
{
    for (size_t i = 0; i < redirection->count; i++) {
        uintptr_t expected = redirection->slots[i].after;

        (void)__atomic_compare_exchange_n(redirection->slots[i].place, &expected,
                                          redirection->slots[i].before, false, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED);
    }
}

/* Where the pages cannot be protected again they are as they were before. */
static int write_slots(const struct library *library, const struct redirection *redirection,
                       void (*how)(const struct redirection *redirection))
{
    bool relro = touches_relro(library, redirection);

    if (relro && library_protect(library, PROT_READ | PROT_WRITE) != 0)
        return -1;
    how(redirection);
    if (!relro || library_protect(library, PROT_READ) == 0)
        return 0;
    store_back(redirection);
    return -1;
}

/* Before the first call through it a slot leads back into its own library, to the loader. */
static bool has_unbound(const struct library *library, const struct redirection *redirection)
{
    for (size_t i = 0; i < redirection->count; i++)
        if (redirection->slots[i].before >= library->start &&
            redirection->slots[i].before < library->end)
            return true;
    return false;
}

/* A thread that made its first call through a slot just before we wrote it is still in the loader,
 * and writes it once more. Such slots are in no read-only pages. */
static void settle(const struct library *library, const struct redirection *redirection)
{
    const struct timespec moment = {0, 1000000};

    if (__libc_single_threaded || !has_unbound(library, redirection))
        return;
    for (int i = 0; i < 3; i++) {
        nanosleep(&moment, NULL);
        for (size_t k = 0; k < redirection->count; k++) {
            const struct slot *slot = &redirection->slots[k];

            if (__atomic_load_n(slot->place, __ATOMIC_RELAXED) != slot->after)
                __atomic_store_n(slot->place, slot->after, __ATOMIC_RELEASE);
        }
    }
}

/* --- records ---------------------------------------------------------------------------------- */

static void redirection_destroy(struct redirection *redirection)
{
    if (redirection != NULL)
        free(redirection->slots);
    free(redirection);
}

static bool is_of(const struct redirection *redirection, const struct library *library)
{
    return redirection->base == library->object.base &&
           redirection->dynamic == library->object.dynamic;
}

/* A newcomer at the address of a library that was unloaded has nothing in its slots that we wrote.
 */
static bool is_true(const struct redirection *redirection, const struct library *library)
{
    for (size_t i = 0; i < redirection->count; i++)
        if (library_has_writable(library, redirection->slots[i].place) &&
            *redirection->slots[i].place == redirection->slots[i].after)
            return true;
    return false;
}

/* Of libraries that were unloaded. */
static void drop_old(const struct library *library)
{
    struct redirection **link = &redirections;

    while (*link != NULL) {
        struct redirection *redirection = *link;

        if (is_of(redirection, library)
                ? is_true(redirection, library)
                : library_is_loaded(redirection->base, redirection->dynamic)) {
            link = &redirection->next;
            continue;
        }
        *link = redirection->next;
        redirection_destroy(redirection);
    }
}

/* With the lock held, as the next. Keeps the record, unless nothing was written. */
static int redirect(const struct library *library, struct redirection *redirection)
{
    drop_written(redirection);
    if (redirection->count == 0)
        return 0;
    if (write_slots(library, redirection, store) != 0)
        return -1;
    settle(library, redirection);
    redirection->next = redirections;
    redirections = redirection;
    return (int)redirection->count;
}

static int take_back(const struct library *library)
{
    struct redirection **link = &redirections;
    int count = 0;

    while (*link != NULL) {
        struct redirection *redirection = *link;

        if (!is_of(redirection, library)) {
            link = &redirection->next;
            continue;
        }
        if (write_slots(library, redirection, store_back) != 0)
            return -1;
        count += (int)redirection->count;
        *link = redirection->next;
        redirection_destroy(redirection);
    }
    return count;
}

/* --- the interface ---------------------------------------------------------------------------- */

/* The loader's lock is taken before ours, never after it: constructors may call this with it. */
int green_patch_loaded(const char *name)
{
    struct redirection *redirection;
    struct library library;
    int count = -1;

    if (library_hold(&library, name) != 0)
        return -1;
    redirection = calloc(1, sizeof *redirection);
    if (redirection == NULL)
        goto out;
    redirection->base = library.object.base;
    redirection->dynamic = library.object.dynamic;
    if (list_slots(&library, redirection) == 0) {
        pthread_mutex_lock(&lock);
        drop_old(&library);
        count = redirect(&library, redirection);
        pthread_mutex_unlock(&lock);
    }
    if (count <= 0)
        redirection_destroy(redirection);
out:
    library_release(&library);
    return count;
}

int green_unpatch_loaded(const char *name)
{
    struct library library;
    int count;

    if (library_hold(&library, name) != 0)
        return -1;
    pthread_mutex_lock(&lock);
    drop_old(&library);
    count = take_back(&library);
    pthread_mutex_unlock(&lock);
    library_release(&library);
    return count;
}

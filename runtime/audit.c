/* SPDX-License-Identifier: MIT
 *
 * What greenify-run(1) has the dynamic loader call (rtld-audit(7)): each object that was mapped,
 * and is not relocated yet, gets in memory what greenify-patch(1) gives a file. Its imports are
 * called greenify_NAME, without a version, in a copy of its string table; the loader then binds
 * them all to libgreen, which is preloaded, whatever relocation asks for them, and before any
 * constructor runs.
 */
#include "hook_groups.h"
#include "list_text.h"
#include "loaded.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define PREFIX "greenify_"

/* The loader finds these two, and la_version(), by name. */
#define SEEN_BY_LOADER __attribute__((visibility("default")))

/* --- what is wanted --------------------------------------------------------------------------- */

static const struct {
    const char *group, *name;
} rows[] = {
#define HOOK(group, name, what) {#group, #name},
#include "hooks.def"
#undef HOOK
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static struct {
    const char *names[ROW_COUNT]; /* sorted */
    size_t count;
    const char *runtime;   /* the path of libgreen, which is left alone */
    const char *libraries; /* names, between colons; NULL: all but the ground */
    bool tells;
} wanted;

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void choose_hooks(const char *list)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (list_text_has(list, ',', rows[i].group) || list_text_has(list, ',', rows[i].name))
            wanted.names[wanted.count++] = rows[i].name;
    qsort(wanted.names, wanted.count, sizeof wanted.names[0], compare_names);
}

static bool is_wanted_hook(const char *name)
{
    return bsearch(&name, wanted.names, wanted.count, sizeof wanted.names[0], compare_names) !=
           NULL;
}

/* A child whose environment somebody edited may have this library, but not libgreen. */
static bool is_runtime_preloaded(void)
{
    const char *runtime = getenv("GREEN_RUN_RUNTIME"), *preloaded = getenv("LD_PRELOAD");

    return runtime != NULL && preloaded != NULL && strstr(preloaded, runtime) != NULL;
}

/* Copies: the program may change its environment, or write something else over it. */
static bool read_settings(void)
{
    const char *hooks = getenv("GREEN_RUN_HOOKS"), *libraries = getenv("GREEN_RUN_LIBRARIES");

    choose_hooks(hooks != NULL ? hooks : HOOK_GROUPS_DEFAULT);
    wanted.runtime = strdup(getenv("GREEN_RUN_RUNTIME"));
    wanted.libraries = libraries != NULL ? strdup(libraries) : NULL;
    wanted.tells = getenv("GREEN_RUN_VERBOSE") != NULL;
    return wanted.runtime != NULL && (libraries == NULL || wanted.libraries != NULL);
}

SEEN_BY_LOADER unsigned la_version(unsigned version)
{
    if (!is_runtime_preloaded() || !read_settings())
        return 0; /* "do not audit" */
    return version < LAV_CURRENT ? version : LAV_CURRENT;
}

/* The loader's list has no name for the program. */
static const char *path_of(const struct link_map *map)
{
    const char *program = (const char *)getauxval(AT_EXECFN);

    if (map->l_name[0] != '\0')
        return map->l_name;
    return program != NULL ? program : "program";
}

static bool is_wanted_library(const struct loaded *object, const char *path)
{
    const char *file = loaded_base_name(path);
    const char *soname = object->soname != NULL ? object->soname : file;

    if (loaded_is_ground(file) || loaded_is_ground(soname) || strcmp(path, wanted.runtime) == 0)
        return false;
    return wanted.libraries == NULL || list_text_has(wanted.libraries, ':', path) ||
           list_text_has(wanted.libraries, ':', file) ||
           list_text_has(wanted.libraries, ':', soname);
}

/* --- read-only pages -------------------------------------------------------------------------- */

struct segments {
    const ElfW(Phdr) * headers;
    size_t count;
};

/* false: the headers are not mapped where they should be. */
static bool find_segments(const struct link_map *map, struct segments *segments)
{
    const ElfW(Ehdr) * file;
    Dl_info place;

    if (map->l_name[0] == '\0') {
        segments->headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
        segments->count = getauxval(AT_PHNUM);
        return segments->headers != NULL;
    }
    if (dladdr(map->l_ld, &place) == 0)
        return false;
    file = place.dli_fbase;
    if (memcmp(file->e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    segments->headers = (const ElfW(Phdr) *)((const char *)place.dli_fbase + file->e_phoff);
    segments->count = file->e_phnum;
    return true;
}

static const ElfW(Phdr) *
    segment_of(const struct segments *segments, ElfW(Addr) base, const void *address)
{
    ElfW(Addr) offset = (ElfW(Addr))address - base;

    for (size_t i = 0; i < segments->count; i++) {
        const ElfW(Phdr) *segment = &segments->headers[i];

        if (segment->p_type == PT_LOAD && offset >= segment->p_vaddr &&
            offset - segment->p_vaddr < segment->p_memsz)
            return segment;
    }
    return NULL;
}

/* A part of the object that is written to. */
struct region {
    void *start;
    size_t size;
    int before; /* its protection */
};

static bool region_protect(const struct region *region, int protection)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)region->start & -page;
    uintptr_t end = ((uintptr_t)region->start + region->size + page - 1) & -page;

    return mprotect((void *)start, end - start, protection) == 0;
}

/* Nobody runs code in the object yet, so that its pages need not be executable meanwhile. */
static bool region_open(struct region *region, const struct segments *segments, ElfW(Addr) base)
{
    const ElfW(Phdr) *segment = segment_of(segments, base, region->start);

    if (segment == NULL)
        return false;
    region->before = ((segment->p_flags & PF_R) != 0 ? PROT_READ : 0) |
                     ((segment->p_flags & PF_W) != 0 ? PROT_WRITE : 0) |
                     ((segment->p_flags & PF_X) != 0 ? PROT_EXEC : 0);
    return (region->before & PROT_WRITE) != 0 || region_protect(region, PROT_READ | PROT_WRITE);
}

static bool region_close(const struct region *region)
{
    return (region->before & PROT_WRITE) != 0 || region_protect(region, region->before);
}

/* --- new names -------------------------------------------------------------------------------- */

/* The imports to rename, by the relocations that ask for them; one may come up several times. */
struct selection {
    size_t relocations;
    size_t first, last; /* symbol indexes */
    size_t bytes;       /* that the new names need at most */
};

static const char *wanted_import(const struct loaded *object, const ElfW(Rela) * entry)
{
    size_t symbol = ELF64_R_SYM(entry->r_info);
    const char *name = symbol != 0 ? loaded_import(object, symbol) : NULL;

    return name != NULL && is_wanted_hook(name) ? name : NULL;
}

static struct selection select_imports(const struct loaded *object)
{
    struct selection selection = {.first = SIZE_MAX};

    for (int table = 0; table < 2; table++)
        for (size_t i = 0; i < object->tables[table].count; i++) {
            const ElfW(Rela) *entry = &object->tables[table].entries[i];
            const char *name = wanted_import(object, entry);
            size_t symbol = ELF64_R_SYM(entry->r_info);

            if (name == NULL)
                continue;
            selection.relocations++;
            selection.bytes += strlen(PREFIX) + strlen(name) + 1;
            selection.first = symbol < selection.first ? symbol : selection.first;
            selection.last = symbol > selection.last ? symbol : selection.last;
        }
    return selection;
}

/* `next`: where the new names go, in the object's own string table. A symbol that has its new name
 * is not chosen again. Returns how many symbols were renamed. */
static size_t rename_imports(const struct loaded *object, char *next)
{
    ElfW(Half) *versions = (ElfW(Half) *)(uintptr_t)object->versions;
    ElfW(Sym) *symbols = (ElfW(Sym) *)(uintptr_t)object->symbols;
    size_t count = 0;

    for (int table = 0; table < 2; table++)
        for (size_t i = 0; i < object->tables[table].count; i++) {
            const ElfW(Rela) *entry = &object->tables[table].entries[i];
            size_t symbol = ELF64_R_SYM(entry->r_info);
            const char *name = wanted_import(object, entry);

            if (name == NULL)
                continue;
            symbols[symbol].st_name = (ElfW(Word))(next - object->strings);
            if (versions != NULL)
                versions[symbol] = VER_NDX_GLOBAL;
            next = stpcpy(stpcpy(next, PREFIX), name) + 1;
            count++;
        }
    return count;
}

/* The loader keeps pointers to these entries, not what they hold. */
static void replace_strings(ElfW(Dyn) * dynamic, const char *strings, size_t size)
{
    for (ElfW(Dyn) *entry = dynamic; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_STRTAB)
            entry->d_un.d_ptr = (ElfW(Addr))strings;
        else if (entry->d_tag == DT_STRSZ)
            entry->d_un.d_val = size;
    }
}

/* What of the object is written to besides the dynamic section. */
struct tables {
    struct region symbols, versions; /* versions.size 0: it has none */
};

static struct tables tables_of(const struct loaded *object, const struct selection *selection)
{
    size_t span = selection->last - selection->first + 1;
    struct tables tables = {
        .symbols = {(void *)(uintptr_t)&object->symbols[selection->first], span * sizeof(ElfW(Sym)),
                    0},
    };

    if (object->versions != NULL)
        tables.versions = (struct region){(void *)(uintptr_t)&object->versions[selection->first],
                                          span * sizeof(ElfW(Half)), 0};
    return tables;
}

static bool tables_close(const struct tables *tables)
{
    bool closed = region_close(&tables->symbols);

    return (tables->versions.size == 0 || region_close(&tables->versions)) && closed;
}

static bool tables_open(struct tables *tables, const struct segments *segments, ElfW(Addr) base)
{
    if (!region_open(&tables->symbols, segments, base))
        return false;
    if (tables->versions.size == 0 || region_open(&tables->versions, segments, base))
        return true;
    (void)region_close(&tables->symbols);
    return false;
}

static bool is_dynamic_writable(const struct link_map *map, const struct segments *segments)
{
    const ElfW(Phdr) *segment = segment_of(segments, map->l_addr, map->l_ld);

    return segment != NULL && (segment->p_flags & PF_W) != 0;
}

/* NULL, or why it cannot be done. *strings: the new table, for as long as the object is loaded;
 * *count: of the functions. */
static const char *redirect(const struct link_map *map, struct loaded *object, char **strings,
                            size_t *count)
{
    struct selection selection = select_imports(object);
    struct segments segments;
    struct tables tables;

    if (selection.relocations == 0)
        return NULL;
    if (!find_segments(map, &segments))
        return "its program headers are not mapped";
    if (!is_dynamic_writable(map, &segments))
        return "its dynamic section is read-only";
    tables = tables_of(object, &selection);
    *strings = malloc(object->strings_size + selection.bytes);
    if (*strings == NULL)
        return "out of memory";
    if (!tables_open(&tables, &segments, map->l_addr))
        return "its symbol table cannot be made writable";
    memcpy(*strings, object->strings, object->strings_size);
    object->strings = *strings;
    *count = rename_imports(object, *strings + object->strings_size);
    replace_strings(map->l_ld, *strings, object->strings_size + selection.bytes);
    return tables_close(&tables) ? NULL : "its symbol table cannot be made read-only again";
}

/* --- what the loader calls -------------------------------------------------------------------- */

/* Of an object that was unloaded: the loader may look at its names until it comes to the next. */
static char *abandoned;

static void abandon(char *strings)
{
    free(abandoned);
    abandoned = strings;
}

/* The cookie is the object's string table from now on. */
SEEN_BY_LOADER unsigned la_objopen(struct link_map *map, Lmid_t namespace, uintptr_t *cookie)
{
    const char *path = path_of(map), *failure;
    struct loaded object;
    char *strings = NULL;
    size_t count = 0;

    *cookie = 0;
    abandon(NULL);
    if (namespace != LM_ID_BASE || map->l_ld == NULL || /* libgreen is in the first one only */
        !loaded_read(&object, map->l_addr, map->l_ld) || !is_wanted_library(&object, path))
        return 0;
    failure = redirect(map, &object, &strings, &count);
    if (failure != NULL)
        dprintf(STDERR_FILENO, "greenify: %s: not redirected: %s\n", path, failure);
    else if (wanted.tells && count > 0)
        dprintf(STDERR_FILENO, "greenify: %s: %zu function%s redirected\n", path, count,
                count == 1 ? "" : "s");
    *cookie = (uintptr_t)strings;
    return 0;
}

SEEN_BY_LOADER unsigned la_objclose(uintptr_t *cookie)
{
    abandon((char *)*cookie);
    *cookie = 0;
    return 0;
}

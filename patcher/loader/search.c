/* SPDX-License-Identifier: MIT
 *
 * The order of glibc: DT_RPATH of the object and of those that loaded it (unless the object has a
 * DT_RUNPATH), LD_LIBRARY_PATH, DT_RUNPATH, the cache, the default folders. A file for another
 * machine or class is passed over.
 */
#include "loader/search.h"

#include "elf/codec.h"
#include "error.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool search_init(struct search *search, const Elf64_Ehdr *header, const char *cache_path,
                 struct patch_error *error)
{
    *search = (struct search){
        .machine = search_machine_find(header),
        .class = header->e_ident[EI_CLASS],
        .order = header->e_ident[EI_DATA],
        .flags = header->e_flags,
        .environment = getenv("LD_LIBRARY_PATH"),
    };
    if (search->machine == NULL)
        return error_set(error, PATCH_UNSUPPORTED_MACHINE,
                         "where libraries for machine %u are looked for is not known",
                         (unsigned)header->e_machine);
    return ldcache_load(&search->cache, cache_path) || error_memory(error);
}

void search_finish(struct search *search)
{
    ldcache_finish(&search->cache);
}

/* --- one candidate ---------------------------------------------------------------------------- */

static bool read_header(const char *path, unsigned char head[sizeof(Elf32_Ehdr)])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;

    if (fd < 0)
        return false;
    bool whole = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                 read(fd, head, sizeof(Elf32_Ehdr)) == (ssize_t)sizeof(Elf32_Ehdr);
    close(fd);
    return whole && memcmp(head, ELFMAG, SELFMAG) == 0;
}

/* Of the same machine, class and order, and called in the same way. */
static bool is_loadable(const struct search *search, const char *path)
{
    const struct codec *codec = codec_find(search->class, search->order);
    unsigned char head[sizeof(Elf32_Ehdr)]; /* e_flags of either class stand in it */
    size_t flags =
        search->class == ELFCLASS32 ? offsetof(Elf32_Ehdr, e_flags) : offsetof(Elf64_Ehdr, e_flags);

    if (codec == NULL || !read_header(path, head) || head[EI_CLASS] != search->class ||
        head[EI_DATA] != search->order ||
        codec_number(codec, head + offsetof(Elf64_Ehdr, e_machine), 2) != search->machine->machine)
        return false;
    uint32_t other = (uint32_t)codec_number(codec, head + flags, 4) ^ search->flags;
    return (other & search->machine->abi_mask) == 0;
}
_Static_assert(offsetof(Elf64_Ehdr, e_flags) + 4 <= sizeof(Elf32_Ehdr), "e_flags are read");

/* --- dynamic string tokens -------------------------------------------------------------------- */

/* The length of the token `name` at `text` (behind the '$'), with or without braces; else 0. */
static size_t token_length(const char *text, size_t size, const char *name)
{
    size_t length = strlen(name);

    if (size >= length + 2 && text[0] == '{' && strncmp(text + 1, name, length) == 0 &&
        text[length + 1] == '}')
        return length + 2;
    if (size < length || strncmp(text, name, length) != 0)
        return 0;
    /* $LIBRARY is no $LIB. */
    if (size > length && (text[length] == '_' || (text[length] >= 'A' && text[length] <= 'Z') ||
                          (text[length] >= 'a' && text[length] <= 'z') ||
                          (text[length] >= '0' && text[length] <= '9')))
        return 0;
    return length;
}

/* Writes `size` bytes of `text` with its tokens replaced. *variable: a token was met whose value
 * depends on `values`. */
static void expand(FILE *stream, const char *text, size_t size, const char *origin,
                   const struct search_tokens *values, bool *variable)
{
    for (size_t at = 0; at < size;) {
        const struct {
            const char *name;
            const char *value;
        } tokens[] = {{"ORIGIN", origin}, {"LIB", values->library}, {"PLATFORM", values->platform}};
        size_t used = 0;

        for (size_t i = 0; text[at] == '$' && used == 0 && i < 3; i++) {
            used = token_length(text + at + 1, size - at - 1, tokens[i].name);
            if (used > 0) {
                fputs(tokens[i].value, stream);
                *variable |= i > 0;
                used++;
            }
        }
        if (used == 0)
            putc(text[at], stream);
        at += used > 0 ? used : 1;
    }
}

/* --- folders ---------------------------------------------------------------------------------- */

/* FOLDER/NAME where that can be loaded; an empty name means that the folder is the file. */
struct lookup {
    const struct search *search;
    const char *name;
    const char *origin;
    char *path; /* found */
    bool exhausted;
};

static char *join(const char *folder, size_t size, const struct lookup *lookup,
                  const struct search_tokens *values, bool *variable)
{
    char *path = NULL;
    size_t length;
    FILE *stream = open_memstream(&path, &length);

    if (stream == NULL)
        return NULL;
    if (size == 0)
        putc('.', stream);
    expand(stream, folder, size, lookup->origin, values, variable);
    if (lookup->name[0] != '\0')
        fprintf(stream, "/%s", lookup->name);
    if (fclose(stream) == 0)
        return path;
    free(path);
    return NULL;
}

static bool try_folder(struct lookup *lookup, const char *folder, size_t size)
{
    const struct search_tokens *values = lookup->search->machine->tokens;
    bool variable = true;

    for (size_t i = 0; variable && values[i].library != NULL; i++) {
        char *path;

        variable = false;
        path = join(folder, size, lookup, &values[i], &variable);
        lookup->exhausted |= path == NULL;
        if (path != NULL && is_loadable(lookup->search, path)) {
            lookup->path = path;
            return true;
        }
        free(path);
    }
    return false;
}

static bool try_list(struct lookup *lookup, const char *list, const char *separators)
{
    if (list == NULL || list[0] == '\0')
        return false;
    for (;;) {
        size_t size = strcspn(list, separators);

        if (try_folder(lookup, list, size))
            return true;
        if (list[size] == '\0')
            return false;
        list += size + 1;
    }
}

static bool in_default_folder(const struct search *search, const char *path)
{
    const char *slash = strrchr(path, '/');

    for (size_t i = 0; search->machine->folders[i] != NULL; i++) {
        const char *folder = search->machine->folders[i];
        if (slash != NULL && strlen(folder) == (size_t)(slash - path) &&
            strncmp(folder, path, strlen(folder)) == 0)
            return true;
    }
    return false;
}

/* --- the stations ----------------------------------------------------------------------------- */

static bool by_rpath(struct lookup *lookup, const struct search_object *object)
{
    if (object->runpath != NULL)
        return false;
    for (const struct search_object *at = object; at != NULL; at = at->loader) {
        lookup->origin = at->folder;
        if (try_list(lookup, at->rpath, ":"))
            return true;
    }
    return false;
}

static bool by_environment(struct lookup *lookup, const struct search_object *object)
{
    lookup->origin = object->folder;
    return try_list(lookup, lookup->search->environment, ":;");
}

static bool by_runpath(struct lookup *lookup, const struct search_object *object)
{
    lookup->origin = object->folder;
    return try_list(lookup, object->runpath, ":");
}

struct cached {
    struct lookup *lookup;
    bool no_default;
};

static bool take_cached(void *context, const char *path)
{
    const struct cached *cached = context;
    const struct search *search = cached->lookup->search;

    if ((cached->no_default && in_default_folder(search, path)) || !is_loadable(search, path))
        return false;
    cached->lookup->path = strdup(path);
    cached->lookup->exhausted |= cached->lookup->path == NULL;
    return cached->lookup->path != NULL;
}

static bool by_cache(struct lookup *lookup, const struct search_object *object)
{
    struct cached cached = {lookup, object->no_default};

    return ldcache_find(&lookup->search->cache, lookup->name, lookup->search->machine->cache_flags,
                        take_cached, &cached);
}

static bool by_default(struct lookup *lookup, const struct search_object *object)
{
    const char *const *folders = lookup->search->machine->folders;

    for (size_t i = 0; !object->no_default && folders[i] != NULL; i++)
        if (try_folder(lookup, folders[i], strlen(folders[i])))
            return true;
    return false;
}

static const struct {
    enum patch_found found;
    bool (*look)(struct lookup *lookup, const struct search_object *object);
} stations[] = {
    {PATCH_FOUND_RPATH, by_rpath},     {PATCH_FOUND_ENVIRONMENT, by_environment},
    {PATCH_FOUND_RUNPATH, by_runpath}, {PATCH_FOUND_CACHE, by_cache},
    {PATCH_FOUND_DEFAULT, by_default},
};

bool search_find(const struct search *search, const struct search_object *object, const char *name,
                 char **path, enum patch_found *found)
{
    struct lookup lookup = {.search = search, .name = name, .origin = object->folder};

    *found = PATCH_FOUND_NOWHERE;
    if (strchr(name, '/') != NULL) {
        /* A path is opened as it is, and looked for nowhere else. */
        lookup.name = "";
        if (try_folder(&lookup, name, strlen(name)))
            *found = PATCH_FOUND_PATH;
    }
    for (size_t i = 0; lookup.name[0] != '\0' && lookup.path == NULL &&
                       i < sizeof(stations) / sizeof(stations[0]);
         i++)
        if (stations[i].look(&lookup, object))
            *found = stations[i].found;
    *path = lookup.path;
    return lookup.path != NULL || !lookup.exhausted;
}

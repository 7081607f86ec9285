/* SPDX-License-Identifier: MIT
 *
 * Breadth first, as the loader goes: each object's needs in their order, a name that somebody
 * loaded goes by before any search, one file loaded once under all its names. What must never be
 * patched is not followed; what the runtime needs is found by a walk of its own.
 */
#include "loader/closure.h"

#include "elf/image.h"
#include "error.h"
#include "imports.h"
#include "io/file.h"
#include "loader/search.h"
#include "plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One loaded object; the public member is moved out of it at the end. */
struct node {
    struct patch_member member;
    struct search_object object; /* its strings are owned by this node */
    char **aliases;              /* further names by which it was asked for */
    size_t alias_count;
    char **wanted; /* its DT_NEEDED entries */
    size_t wanted_count;
    dev_t device;
    ino_t inode;
};

struct walk {
    const struct patch_options *options;
    const char *cache_path;
    struct search search; /* once the first object told its machine */
    struct node **nodes;
    size_t count;
    size_t capacity;
    char *runtime;   /* its path, once found */
    bool everything; /* nothing is exempt: the walk of the runtime itself */
};

/* --- nodes ------------------------------------------------------------------------------------ */

static void strings_destroy(char **strings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(strings[i]);
    free(strings);
}

static void member_finish(struct patch_member *member)
{
    for (size_t i = 0; i < member->need_count; i++)
        free(member->needs[i].name);
    free(member->needs);
    strings_destroy(member->functions, member->function_count);
    free(member->name);
    free(member->path);
}

static void node_destroy(struct node *node)
{
    member_finish(&node->member);
    strings_destroy(node->aliases, node->alias_count);
    strings_destroy(node->wanted, node->wanted_count);
    free((char *)(uintptr_t)node->object.folder);
    free((char *)(uintptr_t)node->object.rpath);
    free((char *)(uintptr_t)node->object.runpath);
    free(node);
}

static void walk_finish(struct walk *walk)
{
    for (size_t i = 0; i < walk->count; i++)
        node_destroy(walk->nodes[i]);
    free(walk->nodes);
    free(walk->runtime);
    search_finish(&walk->search);
}

static bool node_goes_by(const struct node *node, const char *name)
{
    if (strcmp(node->member.path, name) == 0 || strcmp(node->member.name, name) == 0)
        return true;
    for (size_t i = 0; i < node->alias_count; i++)
        if (strcmp(node->aliases[i], name) == 0)
            return true;
    return false;
}

static bool node_add_alias(struct node *node, const char *name, struct patch_error *error)
{
    char **aliases = realloc(node->aliases, (node->alias_count + 1) * sizeof(*aliases));

    if (aliases == NULL)
        return error_memory(error);
    node->aliases = aliases;
    aliases[node->alias_count] = strdup(name);
    if (aliases[node->alias_count] == NULL)
        return error_memory(error);
    node->alias_count++;
    return true;
}

/* --- reading one object ----------------------------------------------------------------------- */

static bool copy_dynamic_string(const struct image *image, int64_t tag, const char **to,
                                struct patch_error *error)
{
    const Elf64_Dyn *entry = image_dynamic(image, tag);
    const char *text;

    if (entry == NULL)
        return true;
    text = image_string(image, entry->d_un.d_val);
    if (text == NULL)
        return error_set_at(error, PATCH_MALFORMED, ".dynamic", image_dynamic_offset(image, entry),
                            "a name lies behind .dynstr");
    *to = strdup(text);
    return *to != NULL || error_memory(error);
}

static bool read_object(const struct image *image, struct node *node, struct patch_error *error)
{
    const Elf64_Dyn *flags = image_dynamic(image, DT_FLAGS_1);

    node->object.no_default = flags != NULL && (flags->d_un.d_val & DF_1_NODEFLIB) != 0;
    if (!copy_dynamic_string(image, DT_RUNPATH, &node->object.runpath, error))
        return false;
    return node->object.runpath != NULL ||
           copy_dynamic_string(image, DT_RPATH, &node->object.rpath, error);
}

static bool read_wanted(const struct image *image, struct node *node, struct patch_error *error)
{
    node->wanted = calloc(image->dynamic_count + 1, sizeof(*node->wanted));
    if (node->wanted == NULL)
        return error_memory(error);
    for (size_t i = 0; i < image->dynamic_count; i++) {
        if (image->dynamic[i].d_tag != DT_NEEDED)
            continue;
        const char *name = image_string(image, image->dynamic[i].d_un.d_val);
        if (name == NULL)
            return error_set_entry(error, PATCH_MALFORMED, ".dynamic", i,
                                   image_dynamic_offset(image, &image->dynamic[i]),
                                   "the name of a DT_NEEDED lies behind .dynstr");
        node->wanted[node->wanted_count] = strdup(name);
        if (node->wanted[node->wanted_count] == NULL)
            return error_memory(error);
        node->wanted_count++;
    }
    return true;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool copy_functions(const struct imports *imports, struct patch_member *member,
                           struct patch_error *error)
{
    member->functions = calloc(imports->count + 1, sizeof(*member->functions));
    if (member->functions == NULL)
        return error_memory(error);
    for (size_t i = 0; i < imports->count; i++) {
        if (!imports->items[i].wanted)
            continue;
        char *name = strdup(imports->items[i].name);
        if (name == NULL)
            return error_memory(error);
        member->functions[member->function_count++] = name;
        member->redirected += imports->items[i].redirected;
    }
    qsort(member->functions, member->function_count, sizeof(*member->functions), compare_strings);
    return true;
}

static bool read_functions(const struct image *image, const struct patch_options *options,
                           struct patch_member *member, struct patch_error *error)
{
    struct imports imports = {0};
    bool done = imports_collect(image, options, &imports, error);

    if (done) {
        struct patch_error reason;
        member->exempt |= !plan_check_protected(image, &imports, options, &reason);
        done = copy_functions(&imports, member, error);
    }
    imports_finish(&imports);
    return done;
}

static bool read_image(const struct walk *walk, const struct image *image, struct node *node,
                       struct patch_error *error)
{
    const char *soname = image_soname(image);
    char *name = strdup(soname != NULL ? soname : file_base_name(node->member.path));

    if (name == NULL)
        return error_memory(error);
    free(node->member.name);
    node->member.name = name;
    return read_object(image, node, error) && read_wanted(image, node, error) &&
           read_functions(image, walk->options, &node->member, error);
}

static bool read_node(struct walk *walk, struct node *node, struct patch_error *error)
{
    struct image *image = NULL;
    struct file file;
    bool done;

    if (!file_open(&file, node->member.path, error))
        return false;
    node->device = file.status.st_dev;
    node->inode = file.status.st_ino;
    done = image_open(&file, &image, error);
    if (done && walk->search.machine == NULL)
        done = search_init(&walk->search, &image->header, walk->cache_path, error);
    done = done && read_image(walk, image, node, error) && image_sound(image, error);
    image_destroy(image);
    file_finish(&file);
    return done;
}

/* --- the walk --------------------------------------------------------------------------------- */

/* The folder as the loader makes it: absolute, symbolic links left alone. */
static char *folder_of(const char *path)
{
    char *slash = strrchr(path, '/');
    char *folder = NULL;
    char here[PATH_MAX];

    if (slash == path)
        return strdup("/");
    if (path[0] == '/')
        return strndup(path, (size_t)(slash - path));
    if (realpath(".", here) == NULL)
        return NULL;
    if (slash == NULL)
        return strdup(here);
    if (asprintf(&folder, "%s/%.*s", strcmp(here, "/") == 0 ? "" : here, (int)(slash - path),
                 path) < 0)
        return NULL;
    return folder;
}

/* A new node at the end; takes `path` over. NULL when there is no memory. */
static struct node *walk_add(struct walk *walk, char *path, const struct search_object *loader)
{
    struct node *node = calloc(1, sizeof(*node));
    struct node **nodes = walk->nodes;

    if (walk->count == walk->capacity) {
        size_t larger = walk->capacity * 2 + 16;
        nodes = realloc(walk->nodes, larger * sizeof(struct node *));
        if (nodes != NULL) {
            walk->nodes = nodes;
            walk->capacity = larger;
        }
    }
    if (node == NULL || nodes == NULL) {
        free(node);
        free(path);
        return NULL;
    }
    node->member.path = path;
    node->member.name = strdup(file_base_name(path));
    node->object = (struct search_object){.folder = folder_of(path), .loader = loader};
    if (node->member.name == NULL || node->object.folder == NULL) {
        node_destroy(node);
        return NULL;
    }
    walk->nodes[walk->count++] = node;
    return node;
}

static size_t walk_find_name(const struct walk *walk, const char *name)
{
    for (size_t i = 0; i < walk->count; i++)
        if (node_goes_by(walk->nodes[i], name))
            return i;
    return PATCH_NO_MEMBER;
}

static size_t walk_find_file(const struct walk *walk, dev_t device, ino_t inode)
{
    for (size_t i = 0; i < walk->count; i++)
        if (walk->nodes[i]->device == device && walk->nodes[i]->inode == inode)
            return i;
    return PATCH_NO_MEMBER;
}

static bool is_exempt(const struct walk *walk, const char *name)
{
    return !walk->everything &&
           (plan_name_protected(file_base_name(name)) ||
            strcmp(file_base_name(name), file_base_name(walk->options->runtime)) == 0);
}

/* The file at `path`, which `need` leads to: one that is loaded already, or a new one. Takes `path`
 * over. */
static bool walk_load(struct walk *walk, const struct node *asking, const char *name, char *path,
                      struct patch_need *need, struct patch_error *error)
{
    struct stat status = {0};
    struct node *node;

    if (stat(path, &status) == 0)
        need->member = walk_find_file(walk, status.st_dev, status.st_ino);
    if (need->member != PATCH_NO_MEMBER) {
        free(path);
        return node_add_alias(walk->nodes[need->member], name, error);
    }
    node = walk_add(walk, path, &asking->object);
    if (node == NULL)
        return error_memory(error);
    need->member = walk->count - 1;
    node->device = status.st_dev;
    node->inode = status.st_ino;
    node->member.exempt = is_exempt(walk, name);
    /* Why it cannot be read is told with the member; the others go on. */
    if (!node->member.exempt && !read_node(walk, node, &node->member.error) &&
        node->member.error.code == PATCH_MEMORY)
        return error_memory(error);
    return node_add_alias(node, name, error);
}

static bool walk_need(struct walk *walk, struct node *node, const char *name,
                      struct patch_need *need, struct patch_error *error)
{
    char *path;

    *need = (struct patch_need){.member = walk_find_name(walk, name), .name = strdup(name)};
    if (need->name == NULL)
        return error_memory(error);
    node->member.need_count++;
    if (need->member != PATCH_NO_MEMBER) {
        need->found = PATCH_FOUND_LOADED;
        return true;
    }
    if (!search_find(&walk->search, &node->object, name, &path, &need->found))
        return error_memory(error);
    return path == NULL || walk_load(walk, node, name, path, need, error);
}

static bool walk_follow(struct walk *walk, struct node *node, struct patch_error *error)
{
    bool first = node == walk->nodes[0];

    if (node->member.exempt && !first && !walk->everything)
        return true;
    node->member.needs = calloc(node->wanted_count + 1, sizeof(*node->member.needs));
    if (node->member.needs == NULL)
        return error_memory(error);
    for (size_t i = 0; i < node->wanted_count; i++)
        if (!walk_need(walk, node, node->wanted[i], &node->member.needs[i], error))
            return false;
    return true;
}

/* From the file at `path`, which is taken over. */
static bool walk_from(struct walk *walk, char *path, struct patch_error *error)
{
    struct node *first = walk_add(walk, path, NULL);

    if (first == NULL)
        return error_memory(error);
    if (!read_node(walk, first, error))
        return false;
    for (size_t i = 0; i < walk->count; i++)
        if (!walk_follow(walk, walk->nodes[i], error))
            return false;
    return true;
}

/* --- what the runtime needs ------------------------------------------------------------------- */

/* The file that the runtime's name leads to from the first object. */
static bool find_runtime(struct walk *walk, struct patch_error *error)
{
    const struct search_object *first = &walk->nodes[0]->object;
    const char *runtime = walk->options->runtime;
    enum patch_found found;

    if (!search_find(&walk->search, first, runtime, &walk->runtime, &found) ||
        (walk->runtime == NULL &&
         !search_find(&walk->search, first, file_base_name(runtime), &walk->runtime, &found)))
        return error_memory(error);
    return true;
}

/* The runtime would call itself through any of these. */
static bool exempt_runtime(struct walk *walk, struct patch_error *error)
{
    struct walk own = {
        .options = walk->options, .cache_path = walk->cache_path, .everything = true};
    struct patch_error reason = {0};
    char *path;
    bool done = true;

    if (!find_runtime(walk, error))
        return false;
    if (walk->runtime == NULL)
        return true;
    path = strdup(walk->runtime);
    /* A runtime that cannot be read protects nothing, and verify will speak of it. */
    if (path == NULL || (!walk_from(&own, path, &reason) && reason.code == PATCH_MEMORY))
        done = error_memory(error);
    for (size_t i = 0; i < own.count; i++) {
        size_t same = walk_find_file(walk, own.nodes[i]->device, own.nodes[i]->inode);
        if (same != PATCH_NO_MEMBER)
            walk->nodes[same]->member.exempt = true;
    }
    walk_finish(&own);
    return done;
}

/* --- the result ------------------------------------------------------------------------------- */

static bool give_out(struct walk *walk, struct patch_closure **out, struct patch_error *error)
{
    struct patch_closure *closure = calloc(1, sizeof(*closure));

    if (closure != NULL)
        closure->members = calloc(walk->count, sizeof(*closure->members));
    if (closure == NULL || closure->members == NULL) {
        free(closure);
        return error_memory(error);
    }
    for (size_t i = 0; i < walk->count; i++) {
        closure->members[i] = walk->nodes[i]->member;
        walk->nodes[i]->member = (struct patch_member){0};
    }
    closure->count = walk->count;
    closure->runtime = walk->runtime;
    walk->runtime = NULL;
    *out = closure;
    return true;
}

bool closure_find(const char *input, const struct patch_options *options, const char *cache_path,
                  struct patch_closure **closure, struct patch_error *error)
{
    struct walk walk = {.options = options, .cache_path = cache_path};
    char *path = strdup(input);
    bool done;

    *closure = NULL;
    if (path == NULL)
        return error_memory(error);
    done = walk_from(&walk, path, error) && exempt_runtime(&walk, error) &&
           give_out(&walk, closure, error);
    walk_finish(&walk);
    return done;
}

bool patch_closure_find(const char *input, const struct patch_options *options,
                        struct patch_closure **closure, struct patch_error *error)
{
    return closure_find(input, options, CLOSURE_CACHE, closure, error);
}

void patch_closure_destroy(struct patch_closure *closure)
{
    if (closure == NULL)
        return;
    for (size_t i = 0; i < closure->count; i++)
        member_finish(&closure->members[i]);
    free(closure->members);
    free(closure->runtime);
    free(closure);
}

const char *patch_found_name(enum patch_found found)
{
    static const char *const names[] = {
        [PATCH_FOUND_NOWHERE] = "nowhere",
        [PATCH_FOUND_LOADED] = "loaded",
        [PATCH_FOUND_PATH] = "path",
        [PATCH_FOUND_RPATH] = "rpath",
        [PATCH_FOUND_ENVIRONMENT] = "environment",
        [PATCH_FOUND_RUNPATH] = "runpath",
        [PATCH_FOUND_CACHE] = "cache",
        [PATCH_FOUND_DEFAULT] = "default",
    };

    return names[found];
}

/* SPDX-License-Identifier: MIT
 *
 * Closures laid together by file, and the choice among them.
 */
#include "deps.h"

#include "report.h"
#include "settings.h"
#include "vendor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ORIGIN "$ORIGIN"

/* --- files ------------------------------------------------------------------------------------ */

static struct deps_file *find_real(const struct deps *deps, const char *real)
{
    for (size_t i = 0; i < deps->count; i++)
        if (strcmp(deps->files[i].real, real) == 0)
            return &deps->files[i];
    return NULL;
}

static struct deps_file *find_member(const struct deps *deps, const struct patch_member *member)
{
    char *real = realpath(member->path, NULL);
    struct deps_file *file = real != NULL ? find_real(deps, real) : NULL;

    free(real);
    return file;
}

static bool add_alias(struct deps_file *file, const char *name)
{
    char **aliases;

    if (strchr(name, '/') != NULL || strcmp(name, file->name) == 0)
        return true;
    for (size_t i = 0; i < file->alias_count; i++)
        if (strcmp(file->aliases[i], name) == 0)
            return true;
    aliases = realloc(file->aliases, (file->alias_count + 1) * sizeof(*aliases));
    if (aliases == NULL)
        return false;
    file->aliases = aliases;
    aliases[file->alias_count] = strdup(name);
    return aliases[file->alias_count] != NULL && ++file->alias_count > 0;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* A soname that is a path is opened as such and is no name for a folder. */
static const char *name_in_folder(const struct patch_member *member)
{
    const char *name = last_component(member->name);

    return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0
               ? name
               : last_component(member->path);
}

static bool add_member(struct deps *deps, const struct patch_member *member, bool named)
{
    char *real = realpath(member->path, NULL);
    struct deps_file *file = real != NULL ? find_real(deps, real) : NULL;
    struct deps_file *files;

    if (file != NULL) {
        free(real);
        file->named |= named;
        file->exempt |= member->exempt;
        return true;
    }
    files = realloc(deps->files, (deps->count + 1) * sizeof(*files));
    if (files == NULL || real == NULL) {
        deps->files = files != NULL ? files : deps->files;
        free(real);
        return real == NULL && files != NULL; /* it vanished meanwhile */
    }
    deps->files = files;
    files[deps->count] = (struct deps_file){
        .path = member->path,
        .real = real,
        .name = name_in_folder(member),
        .functions = member->function_count,
        .named = named,
        .exempt = member->exempt,
    };
    deps->count++;
    return true;
}

static bool add_closure(struct deps *deps, const struct patch_closure *closure)
{
    for (size_t i = 0; i < closure->count; i++)
        if (!add_member(deps, &closure->members[i], i == 0))
            return false;
    for (size_t i = 0; i < closure->count; i++) {
        const struct patch_member *member = &closure->members[i];

        for (size_t k = 0; k < member->need_count; k++) {
            struct deps_file *file =
                member->needs[k].member != PATCH_NO_MEMBER
                    ? find_member(deps, &closure->members[member->needs[k].member])
                    : NULL;
            if (file == NULL)
                continue;
            file->fixed |= member->needs[k].found == PATCH_FOUND_RPATH ||
                           member->needs[k].found == PATCH_FOUND_PATH;
            if (!add_alias(file, member->needs[k].name))
                return false;
        }
    }
    return true;
}

static void tell_missing(const struct patch_closure *closure, const struct settings *settings)
{
    for (size_t i = 0; i < closure->count; i++) {
        const struct patch_member *member = &closure->members[i];

        for (size_t k = 0; k < member->need_count; k++) {
            const char *name = member->needs[k].name;

            /* The runtime may be installed later. */
            if (member->needs[k].member == PATCH_NO_MEMBER && settings->verbosity >= 0 &&
                strcmp(name, settings->runtime) != 0)
                message(member->path, "needs %s, which was not found", name);
        }
        if (i > 0 && member->error.code != PATCH_OK)
            message_failure(member->path, &member->error);
    }
}

bool deps_find(struct deps *deps, const struct settings *settings, struct report *report)
{
    struct patch_options options = settings_patch_options(settings);
    struct patch_error error;
    bool done = true;

    *deps = (struct deps){0};
    deps->closures = calloc(settings->file_count, sizeof(struct patch_closure *));
    for (size_t i = 0; deps->closures != NULL && i < settings->file_count; i++) {
        struct patch_closure **closure = &deps->closures[deps->closure_count++];

        if (!patch_closure_find(settings->files[i], &options, closure, &error)) {
            report_unread(report, settings->files[i], &error);
            done = false;
            continue;
        }
        tell_missing(*closure, settings);
        if (!add_closure(deps, *closure) || !add_alias(find_member(deps, &(*closure)->members[0]),
                                                       last_component(settings->files[i])))
            return report_stop(report, NULL, PATCH_MEMORY, "out of memory");
    }
    if (deps->closures == NULL)
        return report_stop(report, NULL, PATCH_MEMORY, "out of memory");
    return done;
}

void deps_finish(struct deps *deps)
{
    for (size_t i = 0; i < deps->count; i++) {
        for (size_t k = 0; k < deps->files[i].alias_count; k++)
            free(deps->files[i].aliases[k]);
        free(deps->files[i].aliases);
        free(deps->files[i].real);
    }
    for (size_t i = 0; i < deps->closure_count; i++)
        patch_closure_destroy(deps->closures[i]);
    patch_closure_destroy(deps->runtime);
    free(deps->closures);
    free(deps->files);
    *deps = (struct deps){0};
}

/* --- choice ----------------------------------------------------------------------------------- */

void deps_choose_hooked(struct deps *deps)
{
    bool any = false;

    for (size_t i = 0; i < deps->count; i++) {
        struct deps_file *file = &deps->files[i];

        file->chosen = file->functions > 0 && (!file->exempt || file->named);
        any |= file->chosen;
    }
    for (size_t i = 0; !any && i < deps->count; i++)
        deps->files[i].chosen = deps->files[i].named;
}

void deps_tell_fixed(const struct deps *deps)
{
    for (size_t i = 0; i < deps->count; i++)
        if (deps->files[i].chosen && deps->files[i].fixed)
            message(deps->files[i].path,
                    "is found before LD_LIBRARY_PATH is looked at, so its copy "
                    "would not be used; --runtime '$ORIGIN/...' changes that");
}

void deps_choose_all(struct deps *deps)
{
    for (size_t i = 0; i < deps->count; i++)
        deps->files[i].chosen = !deps->files[i].exempt || deps->files[i].named;
}

/* Chooses what needs a chosen file. Returns whether that was anything new. */
static bool choose_leading(struct deps *deps, const struct patch_closure *closure)
{
    bool changed = false;

    for (size_t i = 0; i < closure->count; i++) {
        const struct patch_member *member = &closure->members[i];
        struct deps_file *file = member->exempt ? NULL : find_member(deps, member);

        for (size_t k = 0; file != NULL && !file->leads && k < member->need_count; k++) {
            size_t need = member->needs[k].member;
            const struct deps_file *other =
                need != PATCH_NO_MEMBER ? find_member(deps, &closure->members[need]) : NULL;

            if (other != NULL && other->chosen && !other->exempt)
                changed = file->leads = file->chosen = true;
        }
    }
    return changed;
}

void deps_choose_standing_alone(struct deps *deps, const struct settings *settings)
{
    bool changed;

    deps_choose_hooked(deps);
    do {
        changed = false;
        for (size_t i = 0; i < deps->closure_count; i++)
            changed |= choose_leading(deps, deps->closures[i]);
    } while (changed);
    /* Elsewhere than beside the copies it is the user's to put there. */
    if (strchr(settings->runtime + strlen(ORIGIN "/"), '/') == NULL)
        deps->runtime = vendor_find(deps->closures[0], settings);
}

/* --- transaction ------------------------------------------------------------------------------ */

static bool add_runtime(const struct deps *deps, const struct settings *settings,
                        struct transaction *transaction, struct report *report)
{
    for (size_t i = 0; deps->runtime != NULL && i < deps->runtime->count; i++) {
        const struct patch_member *member = &deps->runtime->members[i];
        const char *name = i == 0 ? last_component(settings->runtime) : member->name;
        struct transaction_file *file;

        if (vendor_is_platform(member->name))
            continue;
        if (!transaction_add(transaction, settings, member->path, name, report))
            return false;
        file = &transaction->files[transaction->count - 1];
        file->copied = file->secondary = true;
        file->runpath = ORIGIN;
    }
    return true;
}

static bool any_hooked(const struct deps *deps)
{
    for (size_t i = 0; i < deps->count; i++)
        if (deps->files[i].chosen && deps->files[i].functions > 0)
            return true;
    return false;
}

bool deps_transaction(const struct deps *deps, const struct settings *settings,
                      struct transaction *transaction, struct report *report)
{
    size_t capacity = deps->count + (deps->runtime != NULL ? deps->runtime->count : 0);

    if (!transaction_begin(transaction, settings, capacity, report))
        return false;
    for (size_t i = 0; i < deps->count; i++) {
        const struct deps_file *file = &deps->files[i];

        if (!file->chosen)
            continue;
        if (!transaction_add(transaction, settings, file->path, file->name, report))
            goto fail;
        transaction->files[transaction->count - 1].secondary = !file->named;
        transaction->files[transaction->count - 1].runpath = file->leads ? ORIGIN : NULL;
    }
    if (!any_hooked(deps) || add_runtime(deps, settings, transaction, report))
        return true;
fail:
    transaction_finish(transaction);
    return false;
}

static bool link_alias(const char *folder, const char *name, const char *alias)
{
    char *path;
    bool done;

    if (asprintf(&path, "%s/%s", folder, alias) < 0) {
        message(NULL, "out of memory");
        return false;
    }
    done = symlink(name, path) == 0 || errno == EEXIST;
    if (!done)
        message(path, "cannot be linked to %s: %s", name, strerror(errno));
    free(path);
    return done;
}

static bool was_written(const struct transaction *transaction, const char *path)
{
    for (size_t i = 0; i < transaction->count; i++)
        if (transaction->files[i].input == path)
            return transaction->files[i].state == TRANSACTION_WRITTEN;
    return false;
}

bool deps_link_aliases(const struct deps *deps, const struct settings *settings,
                       const struct transaction *transaction)
{
    bool done = true;

    for (size_t i = 0; settings->folder != NULL && i < deps->count; i++) {
        const struct deps_file *file = &deps->files[i];

        for (size_t k = 0; k < file->alias_count && was_written(transaction, file->path); k++)
            done &= link_alias(settings->folder, file->name, file->aliases[k]);
    }
    return done;
}

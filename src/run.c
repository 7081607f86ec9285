/* SPDX-License-Identifier: MIT
 *
 * greenify run: another program, redirected in memory. The work is done by libgreen-audit.so
 * (runtime/audit.c) and libgreen, in that program; this says to the dynamic loader and to them, by
 * the environment, what is wanted, and becomes the program.
 */
#include "command.h"

#include "hooklist.h"
#include "option.h"
#include "report.h"
#include "settings.h"
#include "vendor.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AUDIT_NAME "libgreen-audit.so"

/* As env(1) and nohup(1) have it; the last two after POSIX. */
enum { EXIT_NOT_READY = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* The two files, by paths that stay right when the program changes its folder. */
struct tools {
    char runtime[PATH_MAX];
    char audit[PATH_MAX + sizeof(AUDIT_NAME)];
};

/* The loader's lists know no way to quote these. */
static bool is_listable(const char *path)
{
    if (strpbrk(path, ": ") == NULL)
        return true;
    message(path, "cannot be named to the loader, because of the colon or blank in it");
    return false;
}

static bool tools_find(struct tools *tools, const struct settings *settings)
{
    char beside[2 * PATH_MAX];
    const char *path = settings->runtime_file;
    size_t folder;

    if (path == NULL && vendor_find_beside(beside, sizeof(beside)))
        path = beside;
    if (path == NULL) {
        message(settings->runtime, "was not found beside this command; --runtime-file names it");
        return false;
    }
    if (realpath(path, tools->runtime) == NULL) {
        message(path, "%s", strerror(errno));
        return false;
    }
    folder = (size_t)(strrchr(tools->runtime, '/') - tools->runtime);
    snprintf(tools->audit, sizeof(tools->audit), "%.*s/" AUDIT_NAME, (int)folder, tools->runtime);
    if (access(tools->audit, R_OK) != 0) {
        message(tools->audit, "%s", strerror(errno));
        return false;
    }
    return is_listable(tools->audit) && is_listable(tools->runtime);
}

/* --- the environment -------------------------------------------------------------------------- */

static bool set_variable(const char *name, const char *value)
{
    if (value == NULL ? unsetenv(name) == 0 : setenv(name, value, 1) == 0)
        return true;
    message(NULL, "%s: %s", name, strerror(errno));
    return false;
}

/* Puts `path` in front of a list of the loader, where it does not stand yet. */
static bool put_first(const char *name, const char *path)
{
    const char *list = getenv(name);
    char *longer = NULL;
    bool done;

    if (list != NULL && strstr(list, path) != NULL)
        return true;
    if (list == NULL || list[0] == '\0')
        return set_variable(name, path);
    if (asprintf(&longer, "%s:%s", path, list) < 0) {
        message(NULL, "out of memory");
        return false;
    }
    done = set_variable(name, longer);
    free(longer);
    return done;
}

/* Where there are libraries to call, the loader sizes the threads' static storage before it has
 * seen what the program needs, and keeps 512 bytes to spare. Allocators and the like want some
 * thousand; more than this would be missing in the smallest stacks that threads may have. */
#define SPARE_STORAGE "glibc.rtld.optional_static_tls=8192"

static bool ask_for_storage(void)
{
    const char *given = getenv("GLIBC_TUNABLES");
    char *longer = NULL;
    bool done;

    if (given == NULL || given[0] == '\0')
        return set_variable("GLIBC_TUNABLES", SPARE_STORAGE);
    if (strstr(given, "optional_static_tls") != NULL)
        return true;
    if (asprintf(&longer, "%s:" SPARE_STORAGE, given) < 0) {
        message(NULL, "out of memory");
        return false;
    }
    done = set_variable("GLIBC_TUNABLES", longer);
    free(longer);
    return done;
}

/* The texts of a list with a separator between them. NULL, after a message, without memory. */
static char *join(const char *const *texts, char separator)
{
    char *joined = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&joined, &size);

    for (size_t i = 0; stream != NULL && texts[i] != NULL; i++)
        fprintf(stream, "%.*s%s", i > 0, &separator, texts[i]);
    if (stream != NULL && fclose(stream) == 0)
        return joined;
    message(NULL, "out of memory");
    free(joined);
    return NULL;
}

static bool set_list(const char *name, const char *const *texts, char separator)
{
    char *joined = texts != NULL ? join(texts, separator) : NULL;
    bool done = (texts == NULL || joined != NULL) && set_variable(name, joined);

    free(joined);
    return done;
}

static bool set_environment(const struct tools *tools, const struct settings *settings)
{
    const char *const *hooks = settings->hooks_given ? hooklist_names(settings->hooks) : NULL;
    const char *const *libraries = (const char *const *)settings->libraries;

    return put_first("LD_PRELOAD", tools->runtime) && put_first("LD_AUDIT", tools->audit) &&
           ask_for_storage() && set_variable("GREEN_RUN_RUNTIME", tools->runtime) &&
           set_variable("GREEN_RUN_AUDIT", tools->audit) &&
           set_list("GREEN_RUN_HOOKS", hooks, ',') &&
           set_list("GREEN_RUN_LIBRARIES", libraries, ':') &&
           set_variable("GREEN_RUN_HUB", settings->hub ? "1" : NULL) &&
           set_variable("GREEN_RUN_ALONE", settings->alone ? "1" : NULL) &&
           set_variable("GREEN_RUN_VERBOSE", settings->verbosity > 0 ? "1" : NULL);
}

/* --- the verb --------------------------------------------------------------------------------- */

static enum exit_status run(const struct settings *settings)
{
    struct tools tools;
    int error;

    if (!tools_find(&tools, settings) || !set_environment(&tools, settings))
        return (enum exit_status)EXIT_NOT_READY;
    execvp(settings->files[0], settings->files);
    error = errno;
    message(settings->files[0], "cannot be run: %s", strerror(error));
    return (enum exit_status)(error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

static const struct option_row *const options[] = {
    &option_hooks,       &option_library,     &option_hub,
    &option_no_children, &option_runtime_run, &option_verbose,
    &option_help,        &option_version,     NULL,
};

const struct command command_run = {"run", "[--] COMMAND [ARGUMENT...]",
                                    "run a program with its libraries redirected in memory",
                                    options, run};

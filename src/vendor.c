/* SPDX-License-Identifier: MIT
 *
 * Where the runtime stands: told, installed, or in the folder that this command was built in.
 */
#include "vendor.h"

#include "report.h"
#include "settings.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool vendor_is_platform(const char *soname)
{
    static const char *const beginnings[] = {
        "libc.so.",    "libm.so.",      "libpthread.so.", "libdl.so.", "librt.so.",
        "libutil.so.", "libresolv.so.", "libanl.so.",     "ld-linux",  "ld64.so.",
        "libc.musl-",  "ld-musl-",      "libgcc_s.so.",
    };

    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (strncmp(soname, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

bool vendor_find_beside(char *path, size_t size)
{
    static const char *const places[] = {"../runtime", "../lib", "../lib/x86_64-linux-gnu",
                                         "../lib/aarch64-linux-gnu", "../lib64"};
    char command[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", command, sizeof(command) - 1);

    if (length <= 0)
        return false;
    command[length] = '\0';
    *strrchr(command, '/') = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int used = snprintf(path, size, "%s/%s/" SETTINGS_RUNTIME, command, places[i]);

        if (used > 0 && (size_t)used < size && access(path, R_OK) == 0)
            return true;
    }
    return false;
}

struct patch_closure *vendor_find(const struct patch_closure *closure,
                                  const struct settings *settings)
{
    struct patch_options options = settings_patch_options(settings);
    struct patch_closure *runtime = NULL;
    struct patch_error error;
    char beside[2 * PATH_MAX];
    const char *path = settings->runtime_file;

    if (path == NULL && closure != NULL)
        path = closure->runtime;
    if (path == NULL && vendor_find_beside(beside, sizeof(beside)))
        path = beside;
    if (path == NULL)
        message(settings->runtime, "was not found, so it is not put beside the copies");
    else if (!patch_closure_find(path, &options, &runtime, &error))
        message_failure(path, &error);
    return runtime;
}

/* SPDX-License-Identifier: MIT
 *
 * libarchive's functions by name.
 */
#include "archive_library.h"

#include <dlfcn.h>
#include <stdio.h>

#define LIBRARY "libarchive.so.13"

struct libarchive libarchive;

static bool find_functions(void *library)
{
#define ARCHIVE_FUNCTION(name)                                                                     \
    if ((*(void **)&libarchive.name = dlsym(library, #name)) == NULL)                              \
        return false;
#include "archive_functions.def"
#undef ARCHIVE_FUNCTION
    return true;
}

bool archive_load(struct patch_error *error)
{
    static bool loaded;
    void *library = loaded ? NULL : dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    loaded = loaded || (library != NULL && find_functions(library));
    if (loaded)
        return true;
    *error = (struct patch_error){.code = PATCH_LOAD};
    snprintf(error->reason, sizeof(error->reason), "no wheel can be read: %s", dlerror());
    return false;
}

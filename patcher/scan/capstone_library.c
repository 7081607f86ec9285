/* SPDX-License-Identifier: MIT
 *
 * Capstone's functions by name, from the version whose header this was built with.
 */
#include "scan/capstone_library.h"

#include "error.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)
#define LIBRARY         "libcapstone.so." TEXT(CS_API_MAJOR)

struct capstone capstone;

static pthread_once_t capstone_once = PTHREAD_ONCE_INIT;
static char capstone_failure[160]; /* "" once all functions were found */

static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool found = library != NULL;

#define CAPSTONE_FIND(name)                                                                        \
    found = found && (*(void **)&capstone.name = dlsym(library, "cs_" #name)) != NULL;
    CAPSTONE_FUNCTIONS(CAPSTONE_FIND)
#undef CAPSTONE_FIND
    if (!found)
        snprintf(capstone_failure, sizeof(capstone_failure), "%s", dlerror());
}

bool capstone_load(struct patch_error *error)
{
    pthread_once(&capstone_once, load);
    return capstone_failure[0] == '\0' ||
           error_set(error, PATCH_LOAD, "no disassembler: %s", capstone_failure);
}

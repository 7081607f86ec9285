/* SPDX-License-Identifier: MIT
 *
 * load FILE [PROVIDER...]: what the dynamic loader says of FILE when everything in it is bound at
 * once. The providers are loaded before, for plugins that take their host's symbols as given.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        dlopen(argv[i], RTLD_LAZY | RTLD_GLOBAL);
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    const char *said = library != NULL ? "loaded" : dlerror();

    dprintf(STDOUT_FILENO, "%s\n", said != NULL ? said : "usage: load FILE [PROVIDER...]");
    /* No destructors: nobody asked the library to do anything. */
    _exit(library != NULL ? 0 : 1);
}

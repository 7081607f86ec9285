/* SPDX-License-Identifier: MIT
 *
 * A C++ runtime that comes after the hub: exceptions belong to the coroutine from the first spawn
 * on that follows. test_late LIBRARY
 */
#include "green.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SKIPPED = 77, MANY = 10 };

static int (*catch_and_call)(int number, void (*call)(void));

static void yield(void)
{
    green_yield();
}

static void *nothing(void *unused)
{
    return unused;
}

static void *catch (void *number)
{
    return catch_and_call((int)(intptr_t)number, yield) ? number : NULL;
}

int main(int argc, char **argv)
{
    green_t *g[MANY];
    void *library, *result;
    int wrong = 0;

    green_join(green_spawn(nothing, NULL), NULL, -1);
    if (argc < 2 || dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD) != NULL)
        return SKIPPED; /* a sanitizer needs it itself */
    library = dlopen(argv[1], RTLD_NOW);
    *(void **)&catch_and_call = library == NULL ? NULL : dlsym(library, "catch_and_call");
    if (catch_and_call == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return EXIT_FAILURE;
    }
    for (intptr_t i = 0; i < MANY; i++)
        g[i] = green_spawn(catch, (void *)(i + 1));
    for (intptr_t i = 0; i < MANY; i++) {
        wrong += green_join(g[i], &result, -1) != 0 || result != (void *)(i + 1);
    }
    printf("%d of %d caught something else\n", wrong, MANY);
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

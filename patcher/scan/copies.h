/* SPDX-License-Identifier: MIT
 *
 * Functions of libc that a file has inside: a static libc, or Go's runtime.
 */
#ifndef PATCHER_COPIES_H
#define PATCHER_COPIES_H

#include "elf/image.h"

struct copy {
    char *name; /* as in the symbol table; owned */
    uint64_t start, end;
    bool certain; /* libc's own name for it; else anybody's function may be called so */
};

struct copies {
    struct copy *items; /* by address, each once */
    size_t count;
    size_t capacity;
    bool go;           /* Go's runtime is there */
    uint64_t go_entry; /* address of what enters its system calls; 0: not known */
};

/* `names` are sorted by strcmp(). */
PATCH_MUST_CHECK bool copies_find(const struct image *image, const char *const *names, size_t count,
                                  struct copies *copies, struct patch_error *error);
void copies_finish(struct copies *copies);

#endif

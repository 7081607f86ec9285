/* SPDX-License-Identifier: MIT
 *
 * A library that is loaded and stays so while it is held here, its writable memory, and the pages
 * that the loader made read-only after relocation.
 */
#ifndef GREEN_LIBRARY_H
#define GREEN_LIBRARY_H

#include "loaded.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct library {
    char *path; /* as the loader has it */
    void *handle;
    struct loaded object;
    uintptr_t start, end;                   /* all of it */
    uintptr_t relro_start, relro_end;       /* made read-only after relocation */
    uintptr_t writable_start, writable_end; /* from the first writable segment to the last */
};

/* Finds the first loaded library of this path, or last part of a path, or soname, and holds it: it
 * is relocated, and nobody unloads it. -1 with errno: EINVAL, ENOENT, ENOMEM; ENOEXEC, it has no
 * symbol table; EPERM, the hooks themselves stand on it. */
int library_hold(struct library *library, const char *name);

/* Leaves errno alone. */
void library_release(struct library *library);

/* Whether the loader wrote the slot, or the program may have since. */
bool library_has_writable(const struct library *library, const uintptr_t *slot);
bool library_has_relro(const struct library *library, const uintptr_t *slot);

/* Gives the read-only pages another protection: PROT_READ, or that and PROT_WRITE. -1 with errno.
 */
int library_protect(const struct library *library, int protection);

/* Whether what stood at this address, with this dynamic section, is loaded still, or another
 * library that looks the same. */
bool library_is_loaded(ElfW(Addr) base, const ElfW(Dyn) * dynamic);

#endif

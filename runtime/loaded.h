/* SPDX-License-Identifier: MIT
 *
 * An ELF object that is loaded, as its dynamic section shows it: relocated, or mapped just now.
 * Plain data; every pointer leads into the object.
 */
#ifndef GREEN_LOADED_H
#define GREEN_LOADED_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

struct loaded {
    ElfW(Addr) base;
    const ElfW(Dyn) * dynamic;
    const ElfW(Sym) * symbols;
    const char *strings;
    size_t strings_size;
    const ElfW(Half) * versions;        /* of the symbols; NULL: they have none */
    const ElfW(Verneed) * requirements; /* what the versions are called; NULL: none is required */
    const char *soname;                 /* or NULL */
    struct {
        const ElfW(Rela) * entries;
        size_t count;
    } tables[2]; /* DT_RELA, DT_JMPREL */
};

/* Fills in what stands in `dynamic`. false: there is no symbol table. */
bool loaded_read(struct loaded *object, ElfW(Addr) base, const ElfW(Dyn) * dynamic);

/* The name of the function that the symbol `index` imports, if libc or the C++ runtime can be meant
 * by it. NULL: it is defined here, or versioned for another library. */
const char *loaded_import(const struct loaded *object, size_t index);

/* The last part of a path. */
const char *loaded_base_name(const char *path);

/* Whether the hooks themselves stand on a library of this name: libc, the loader, libgreen and what
 * it needs. Such are never redirected. */
bool loaded_is_ground(const char *name);

#endif

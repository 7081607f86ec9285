/* SPDX-License-Identifier: MIT
 *
 * Where the dynamic loader finds a library that another one needs: ld.so(8), for any machine.
 * The folders of glibc-hwcaps, which hold variants for certain processors, are not looked at.
 */
#ifndef PATCHER_SEARCH_H
#define PATCHER_SEARCH_H

#include "loader/ldcache.h"
#include "loader/search_machine.h"
#include "patcher.h"

/* The same for all objects of one closure. */
struct search {
    const struct search_machine *machine;
    unsigned char class;     /* EI_CLASS */
    unsigned char order;     /* EI_DATA */
    uint32_t flags;          /* e_flags */
    const char *environment; /* LD_LIBRARY_PATH, or NULL; borrowed */
    struct ldcache cache;
};

/* One that needs others. */
struct search_object {
    const char *folder;                 /* of its file, for $ORIGIN */
    const char *rpath;                  /* NULL: none, or a DT_RUNPATH overrides it */
    const char *runpath;                /* or NULL */
    bool no_default;                    /* DF_1_NODEFLIB */
    const struct search_object *loader; /* that needed it first, or NULL */
};

/* For what a file with this header may be loaded with. Reads `cache_path`. */
PATCH_MUST_CHECK bool search_init(struct search *search, const Elf64_Ehdr *header,
                                  const char *cache_path, struct patch_error *error);
void search_finish(struct search *search);

/* The file for the DT_NEEDED entry `name` of `object`. *path is NULL when there is none, else the
 * caller frees it. Returns false only when there is no memory. */
PATCH_MUST_CHECK bool search_find(const struct search *search, const struct search_object *object,
                                  const char *name, char **path, enum patch_found *found);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Whose function an import is goes by its symbol version, as it does for files that are patched.
 */
#include "loaded.h"

#include <string.h>

/* The address that a dynamic entry holds. The loader has relocated those that it uses itself, in
 * most objects; all are inside the object, but for a table of strings that was replaced. */
static ElfW(Addr) address(ElfW(Addr) base, const ElfW(Dyn) * entry)
{
    return entry->d_un.d_ptr >= base ? entry->d_un.d_ptr : base + entry->d_un.d_ptr;
}

static const char *strings_of(const struct loaded *object, const ElfW(Dyn) * symbols,
                              const ElfW(Dyn) * strings)
{
    bool relocated = symbols->d_un.d_ptr >= object->base;

    return (const char *)(relocated ? strings->d_un.d_ptr : object->base + strings->d_un.d_ptr);
}

bool loaded_read(struct loaded *object, ElfW(Addr) base, const ElfW(Dyn) * dynamic)
{
    const ElfW(Dyn) *symbols = NULL, *strings = NULL;
    size_t sizes[2] = {0, 0}, soname = 0;

    *object = (struct loaded){.base = base, .dynamic = dynamic};
    for (const ElfW(Dyn) *entry = dynamic; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_SYMTAB)
            symbols = entry;
        else if (entry->d_tag == DT_STRTAB)
            strings = entry;
        else if (entry->d_tag == DT_STRSZ)
            object->strings_size = entry->d_un.d_val;
        else if (entry->d_tag == DT_SONAME)
            soname = entry->d_un.d_val;
        else if (entry->d_tag == DT_VERSYM)
            object->versions = (const ElfW(Half) *)address(base, entry);
        else if (entry->d_tag == DT_VERNEED)
            object->requirements = (const ElfW(Verneed) *)address(base, entry);
        else if (entry->d_tag == DT_RELA)
            object->tables[0].entries = (const ElfW(Rela) *)address(base, entry);
        else if (entry->d_tag == DT_JMPREL)
            object->tables[1].entries = (const ElfW(Rela) *)address(base, entry);
        else if (entry->d_tag == DT_RELASZ)
            sizes[0] = entry->d_un.d_val;
        else if (entry->d_tag == DT_PLTRELSZ)
            sizes[1] = entry->d_un.d_val;
    }
    if (symbols == NULL || strings == NULL)
        return false;
    object->symbols = (const ElfW(Sym) *)address(base, symbols);
    object->strings = strings_of(object, symbols, strings);
    if (soname != 0)
        object->soname = object->strings + soname;
    for (int i = 0; i < 2; i++)
        if (object->tables[i].entries != NULL)
            object->tables[i].count = sizes[i] / sizeof(ElfW(Rela));
    return true;
}

/* The name of a version that the object requires, or NULL: an index below 2 is none. */
static const char *version_name(const struct loaded *object, unsigned index)
{
    const char *library = (const char *)object->requirements;

    while (library != NULL) {
        const ElfW(Verneed) *of_library = (const ElfW(Verneed) *)library;
        const char *version = library + of_library->vn_aux;

        for (unsigned i = 0; i < of_library->vn_cnt; i++) {
            const ElfW(Vernaux) *entry = (const ElfW(Vernaux) *)version;

            if (entry->vna_other == index)
                return object->strings + entry->vna_name;
            version += entry->vna_next;
        }
        library = of_library->vn_next != 0 ? library + of_library->vn_next : NULL;
    }
    return NULL;
}

static bool begins_with_one_of(const char *text, const char *const *beginnings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

/* With any other version the function is somebody else's, for all that it has the same name. */
static bool is_foreign(const struct loaded *object, size_t index)
{
    static const char *const beginnings[] = {"GLIBC_", "LIBC", "CXXABI_"};
    enum { HIDDEN = 0x8000 };
    const char *version;

    if (object->versions == NULL)
        return false;
    version = version_name(object, object->versions[index] & (unsigned)~HIDDEN);
    return version != NULL &&
           !begins_with_one_of(version, beginnings, sizeof beginnings / sizeof beginnings[0]);
}

const char *loaded_import(const struct loaded *object, size_t index)
{
    const ElfW(Sym) *symbol = &object->symbols[index];

    if (symbol->st_shndx != SHN_UNDEF || symbol->st_name == 0 || is_foreign(object, index))
        return NULL;
    return object->strings + symbol->st_name;
}

const char *loaded_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

bool loaded_is_ground(const char *name)
{
    static const char *const beginnings[] = {
        "libc.so.",       "libpthread.so.",   "libdl.so.", "librt.so.",    "ld-linux",
        "linux-vdso.so.", "libthread_db.so.", "libev.so.", "libgreen.so.",
    };

    return begins_with_one_of(name, beginnings, sizeof beginnings / sizeof beginnings[0]);
}

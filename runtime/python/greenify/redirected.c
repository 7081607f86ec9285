/* SPDX-License-Identifier: MIT
 *
 * What is redirected in this process, from the dynamic sections of what is loaded: a redirected
 * library has relocations against greenify_<name>. Collected in plain C, as the loader's lock is
 * held meanwhile; made into Python objects afterwards.
 */
#include "redirected.h"

#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "greenify_";

struct import {
    char *library, *name;
};

struct imports {
    struct import *list;
    size_t count, capacity;
    bool failed; /* no memory */
};

struct tables {
    const char *strings;
    const ElfW(Sym) * symbols;
    const ElfW(Rela) * relocations[2];
    size_t sizes[2];
};

/* The loader has made most of these absolute; a few it leaves as they are in the file. */
static const void *address(const struct dl_phdr_info *info, ElfW(Addr) value)
{
    return (const void *)(value < info->dlpi_addr ? value + info->dlpi_addr : value);
}

static void read_dynamic(const struct dl_phdr_info *info, const ElfW(Dyn) * entry,
                         struct tables *tables)
{
    for (; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_STRTAB)
            tables->strings = address(info, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_SYMTAB)
            tables->symbols = address(info, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_RELA)
            tables->relocations[0] = address(info, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_RELASZ)
            tables->sizes[0] = entry->d_un.d_val;
        else if (entry->d_tag == DT_JMPREL)
            tables->relocations[1] = address(info, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_PLTRELSZ)
            tables->sizes[1] = entry->d_un.d_val;
    }
}

static void add(struct imports *imports, const char *library, const char *name)
{
    struct import *import;

    if (imports->count == imports->capacity) {
        size_t capacity = imports->capacity == 0 ? 64 : 2 * imports->capacity;
        struct import *list = reallocarray(imports->list, capacity, sizeof *list);

        imports->failed = imports->failed || list == NULL;
        if (list == NULL)
            return;
        imports->list = list;
        imports->capacity = capacity;
    }
    import = &imports->list[imports->count++];
    *import = (struct import){strdup(library), strdup(name)};
    imports->failed = imports->failed || import->library == NULL || import->name == NULL;
}

static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
    struct tables tables = {NULL};

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            read_dynamic(info, (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr),
                         &tables);
    if (tables.strings == NULL || tables.symbols == NULL)
        return 0;
    for (int table = 0; table < 2; table++) {
        const ElfW(Rela) *relocations = tables.relocations[table];
        size_t count = relocations == NULL ? 0 : tables.sizes[table] / sizeof *relocations;

        for (size_t i = 0; i < count; i++) {
            const ElfW(Sym) *symbol = &tables.symbols[ELF64_R_SYM(relocations[i].r_info)];
            const char *name = tables.strings + symbol->st_name;

            if (symbol->st_shndx == SHN_UNDEF && strncmp(name, prefix, sizeof prefix - 1) == 0)
                add(data, info->dlpi_name, name + sizeof prefix - 1);
        }
    }
    return 0;
}

static int add_to_dictionary(PyObject *dictionary, const struct import *import)
{
    PyObject *library = PyUnicode_DecodeFSDefault(import->library);
    PyObject *name = PyUnicode_FromString(import->name);
    PyObject *none = PySet_New(NULL);
    int status = -1;

    if (library != NULL && name != NULL && none != NULL) {
        PyObject *names = PyDict_SetDefault(dictionary, library, none);

        status = names == NULL ? -1 : PySet_Add(names, name);
    }
    Py_XDECREF(library);
    Py_XDECREF(name);
    Py_XDECREF(none);
    return status;
}

PyObject *redirected_libraries(void)
{
    struct imports imports = {NULL, 0, 0, false};
    PyObject *dictionary;

    dl_iterate_phdr(look_at, &imports);
    dictionary = imports.failed ? PyErr_NoMemory() : PyDict_New();
    for (size_t i = 0; i < imports.count; i++) {
        if (dictionary != NULL && add_to_dictionary(dictionary, &imports.list[i]) != 0)
            Py_CLEAR(dictionary);
        free(imports.list[i].library);
        free(imports.list[i].name);
    }
    free(imports.list);
    return dictionary;
}

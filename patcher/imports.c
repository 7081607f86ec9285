/* SPDX-License-Identifier: MIT
 *
 * Undefined dynamic symbols against the list of wanted names, then relocations against those.
 */
#include "imports.h"

#include "elf/versions.h"
#include "elf/window.h"
#include "error.h"
#include "io/file.h"
#include "names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A name that is longer is none that anybody hooks. */
enum { LONGEST_NAME = 256 };

/* A function, or a name that nobody typed (hand-written assembly, some linkers). */
static bool is_function(const Elf64_Sym *symbol)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);

    return ELF64_ST_BIND(symbol->st_info) != STB_LOCAL && (type == STT_FUNC || type == STT_NOTYPE);
}

static bool append(struct imports *imports, const struct import *import, size_t *capacity,
                   struct patch_error *error)
{
    if (imports->count == *capacity) {
        size_t larger = *capacity * 2 + 16;
        struct import *items = realloc(imports->items, larger * sizeof(*items));
        if (items == NULL)
            return error_memory(error);
        imports->items = items;
        *capacity = larger;
    }
    struct import *added = &imports->items[imports->count];
    *added = *import;
    added->name = strdup(import->name);
    if (added->name == NULL)
        return error_memory(error);
    imports->count++;
    imports->pending += import->wanted && !import->redirected;
    imports->redirected += import->redirected;
    return true;
}

/* A version says which library an import is of. These are the C library's (glibc, bionic) and the
 * C++ runtime's; with any other the function is somebody else's, for all that it has the same name.
 */
static const char *const version_prefixes[] = {"GLIBC_", "LIBC", "CXXABI_"};

static bool is_foreign(const char *version)
{
    if (version == NULL)
        return false;
    for (size_t i = 0; i < sizeof(version_prefixes) / sizeof(version_prefixes[0]); i++)
        if (strncmp(version, version_prefixes[i], strlen(version_prefixes[i])) == 0)
            return false;
    return true;
}

/* --- the prefix --------------------------------------------------------------------------------
 */

/* Where the prefix stands in .dynstr, ascending: found in one go, since the names of symbols stand
 * in no order. */
struct prefixes {
    uint32_t *places;
    size_t count;
    size_t capacity;
};

static bool add_place(struct prefixes *prefixes, uint32_t place, struct patch_error *error)
{
    if (prefixes->count == prefixes->capacity) {
        size_t larger = prefixes->capacity * 2 + 64;
        uint32_t *places = realloc(prefixes->places, larger * sizeof(*places));
        if (places == NULL)
            return error_memory(error);
        prefixes->places = places;
        prefixes->capacity = larger;
    }
    prefixes->places[prefixes->count++] = place;
    return true;
}

/* `strings` stand `start` bytes behind the beginning of .dynstr. */
static bool find_between(const uint8_t *strings, uint64_t size, uint64_t start, const char *prefix,
                         struct prefixes *prefixes, struct patch_error *error)
{
    const uint8_t *at = strings;

    while ((at = memmem(at, (size_t)(strings + size - at), prefix, strlen(prefix))) != NULL) {
        if (!add_place(prefixes, (uint32_t)(start + (uint64_t)(at - strings)), error))
            return false;
        at++;
    }
    return true;
}

static bool find_prefixes(const struct image *image, const char *prefix, struct prefixes *prefixes,
                          struct patch_error *error)
{
    enum { STEP = 1 << 15 };
    struct window window = {.image = image};
    uint64_t all = image->strings.size;
    uint64_t more = prefix[0] != '\0' ? strlen(prefix) - 1 : 0;
    bool done = true;

    for (uint64_t at = 0; done && at < all; at += STEP) {
        uint64_t size = all - at < STEP + more ? all - at : STEP + more;
        const uint8_t *strings = window_at(&window, image->strings.offset + at, size, error);
        done = strings != NULL && find_between(strings, size, at, prefix, prefixes, error);
    }
    window_close(&window);
    return done;
}

static int compare_places(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static bool stands_at(const struct prefixes *prefixes, uint32_t place)
{
    return prefixes->count != 0 && bsearch(&place, prefixes->places, prefixes->count, sizeof(place),
                                           compare_places) != NULL;
}

/* --- symbols -----------------------------------------------------------------------------------
 */

/* All that the look at one symbol needs. */
struct search {
    const struct image *image;
    const struct patch_options *options;
    struct names names;
    struct versions versions;
    struct prefixes prefixes;
    struct imports *imports;
    size_t capacity; /* of imports->items */
};

/* One undefined function, by its name: is it wanted, or redirected already? */
static bool look_at_import(struct search *search, uint32_t symbol, char *name,
                           struct patch_error *error)
{
    const char *prefix = search->options->prefix;
    bool prefixed = strncmp(name, prefix, strlen(prefix)) == 0;
    struct import import = {
        .name = prefixed ? name + strlen(prefix) : name, .symbol = symbol, .redirected = prefixed};

    import.wanted = names_have(&search->names, import.name) &&
                    !is_foreign(versions_name(&search->versions, search->image, symbol));
    return (!prefixed && !import.wanted) ||
           append(search->imports, &import, &search->capacity, error);
}

static bool look_at_symbol(struct search *search, uint32_t index, const Elf64_Sym *symbol,
                           struct patch_error *error)
{
    const struct image *image = search->image;
    char name[LONGEST_NAME];

    if (symbol->st_name >= image->strings.size)
        return error_set_entry(error, PATCH_MALFORMED, ".dynsym", index,
                               image_symbol_offset(image, index),
                               "the name at 0x%x lies behind .dynstr", symbol->st_name);
    if (!is_function(symbol))
        return true;
    if (symbol->st_shndx == SHN_UNDEF)
        return !image_copy_string(image, symbol->st_name, name, sizeof(name)) ||
               look_at_import(search, index, name, error);
    search->imports->exports_prefix |= stands_at(&search->prefixes, symbol->st_name);
    return true;
}

static bool look_at_symbols(struct search *search, struct patch_error *error)
{
    Elf64_Sym batch[IMAGE_BATCH];
    size_t n;

    for (size_t i = 0; (n = image_symbols(search->image, i, batch)) != 0; i += n)
        for (size_t k = i == 0; k < n; k++) /* symbol 0 is none */
            if (!look_at_symbol(search, (uint32_t)(i + k), &batch[k], error))
                return false;
    return true;
}

/* --- relocations -------------------------------------------------------------------------------
 */

static int compare_symbols(const void *a, const void *b)
{
    uint32_t x = ((const struct import *)a)->symbol;
    uint32_t y = ((const struct import *)b)->symbol;

    return (x > y) - (x < y);
}

static bool append_relocation(struct imports *imports, struct import_relocation relocation,
                              size_t *capacity, struct patch_error *error)
{
    if (imports->relocation_count == *capacity) {
        size_t larger = *capacity * 2 + 64;
        struct import_relocation *items = realloc(imports->relocations, larger * sizeof(*items));
        if (items == NULL)
            return error_memory(error);
        imports->relocations = items;
        *capacity = larger;
    }
    imports->relocations[imports->relocation_count++] = relocation;
    return true;
}

static bool add_relocation(const struct image *image, size_t table, size_t index,
                           const Elf64_Rela *relocation, struct imports *imports, size_t import,
                           size_t *capacity, struct patch_error *error)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(relocation->r_info);
    const struct arch_relocation *row = arch_relocation_find(image->arch, type);

    if (row == NULL)
        return error_set_entry(
            error, PATCH_UNSUPPORTED_RELOCATION, image_relocation_name(image, table), index,
            image_relocation_offset(image, table, index),
            "unsupported relocation %" PRIu32 " of %s", type, imports->items[import].name);
    if (row->kind == NULL)
        return error_set_entry(
            error, PATCH_UNSUPPORTED_RELOCATION, image_relocation_name(image, table), index,
            image_relocation_offset(image, table, index), "unsupported relocation %s of %s",
            row->name, imports->items[import].name);
    return append_relocation(imports,
                             (struct import_relocation){row->kind, relocation->r_offset, import},
                             capacity, error);
}

static int compare_relocations(const void *a, const void *b)
{
    const struct import_relocation *x = a;
    const struct import_relocation *y = b;

    if (x->import != y->import)
        return x->import < y->import ? -1 : 1;
    return (x->address > y->address) - (x->address < y->address);
}

static void group(struct imports *imports)
{
    if (imports->relocation_count == 0)
        return;
    qsort(imports->relocations, imports->relocation_count, sizeof(*imports->relocations),
          compare_relocations);
    for (size_t i = 0; i < imports->relocation_count; i++) {
        struct import *import = &imports->items[imports->relocations[i].import];
        if (import->relocation_count++ == 0)
            import->relocations = &imports->relocations[i];
    }
}

static bool look_at_relocation(const struct image *image, size_t table, size_t index,
                               const Elf64_Rela *relocation, struct imports *imports,
                               size_t *capacity, struct patch_error *error)
{
    uint64_t symbol = ELF64_R_SYM(relocation->r_info);

    if (symbol >= image->symbol_count && symbol != 0)
        return error_set_entry(error, PATCH_MALFORMED, image_relocation_name(image, table), index,
                               image_relocation_offset(image, table, index),
                               "symbol %" PRIu64 " of %" PRIu32, symbol, image->symbol_count);
    if (symbol == 0 || imports->count == 0)
        return true;
    struct import key = {.symbol = (uint32_t)symbol};
    const struct import *found =
        bsearch(&key, imports->items, imports->count, sizeof(key), compare_symbols);
    return found == NULL || add_relocation(image, table, index, relocation, imports,
                                           (size_t)(found - imports->items), capacity, error);
}

static bool collect_relocations(const struct image *image, struct imports *imports,
                                struct patch_error *error)
{
    Elf64_Rela batch[IMAGE_BATCH];
    size_t capacity = 0;
    size_t n;

    for (size_t t = 0; t < IMAGE_RELOCATION_TABLES; t++)
        for (size_t i = 0; (n = image_relocations(image, t, i, batch)) != 0; i += n)
            for (size_t k = 0; k < n; k++)
                if (!look_at_relocation(image, t, i + k, &batch[k], imports, &capacity, error))
                    return false;
    group(imports);
    return true;
}

/* --- what is needed ----------------------------------------------------------------------------
 */

/* "libc.so" is musl's or Android's, "libc.so.1" and the like are those of uClibc and the BSDs. */
static bool is_other_libc(const char *name)
{
    const char *base = file_base_name(name);

    if (strncmp(base, "libc.musl-", strlen("libc.musl-")) == 0)
        return true;
    return strncmp(base, "libc.so", strlen("libc.so")) == 0 && strcmp(base, "libc.so.6") != 0 &&
           strcmp(base, "libc.so.6.1") != 0;
}

static bool look_at_needed(const struct image *image, const struct patch_options *options,
                           struct imports *imports, struct patch_error *error)
{
    for (size_t i = 0; i < image->dynamic_count; i++) {
        const Elf64_Dyn *entry = &image->dynamic[i];
        if (entry->d_tag != DT_NEEDED)
            continue;
        const char *name = image_string(image, entry->d_un.d_val);
        if (name == NULL)
            return error_set_entry(error, PATCH_MALFORMED, ".dynamic", i,
                                   image_dynamic_offset(image, entry),
                                   "the name of a DT_NEEDED lies behind .dynstr");
        imports->runtime_needed |= strcmp(name, options->runtime) == 0;
        if (is_other_libc(name))
            imports->other_libc = name;
    }
    return true;
}

/* What the symbols and the dynamic section tell. */
static bool collect(struct search *search, struct patch_error *error)
{
    struct imports *imports = search->imports;

    memset(imports, 0, sizeof(*imports));
    bool done = names_init(&search->names, search->options->functions, error) &&
                versions_load(search->image, &search->versions, error) &&
                look_at_symbols(search, error) &&
                look_at_needed(search->image, search->options, imports, error);
    names_finish(&search->names);
    versions_finish(&search->versions);
    return done;
}

bool imports_collect_symbols(const struct image *image, const struct patch_options *options,
                             struct imports *imports, struct patch_error *error)
{
    struct search search = {.image = image, .options = options, .imports = imports};
    bool done = collect(&search, error);

    if (!done)
        imports_finish(imports);
    return done;
}

bool imports_collect(const struct image *image, const struct patch_options *options,
                     struct imports *imports, struct patch_error *error)
{
    struct search search = {.image = image, .options = options, .imports = imports};
    bool done = find_prefixes(image, options->prefix, &search.prefixes, error);

    memset(imports, 0, sizeof(*imports));
    done = done && collect(&search, error) && collect_relocations(image, imports, error);
    free(search.prefixes.places);
    if (!done)
        imports_finish(imports);
    return done;
}

void imports_finish(struct imports *imports)
{
    for (size_t i = 0; i < imports->count; i++)
        free(imports->items[i].name);
    free(imports->items);
    free(imports->relocations);
    memset(imports, 0, sizeof(*imports));
}

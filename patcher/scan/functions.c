/* SPDX-License-Identifier: MIT
 *
 * Symbol tables go by in windows, and each symbol is asked for the places that it covers: memory
 * follows the number of places, not that of symbols.
 */
#include "scan/functions.h"

#include "error.h"
#include "scan/frames.h"

#include <stdlib.h>
#include <string.h>

enum {
    WINDOW = 4096,  /* symbols */
    LONGEST = 4096, /* name, with its end */
    MOST_STEPS = 20 * 1000 * 1000,
};

/* A symbol table with its strings, as places in the file. */
struct function_table {
    const struct image *image;
    uint64_t symbols;
    uint64_t count;
    uint64_t strings;
    uint64_t strings_size; /* 0: nothing to read */
};

static struct function_table dynamic_table(const struct image *image)
{
    return (struct function_table){
        .image = image,
        .symbols = image->symbols.offset,
        .count = image->symbol_count,
        .strings = image->strings.offset,
        .strings_size = image->strings.size,
    };
}

static bool section_inside(const struct image *image, const Elf64_Shdr *s)
{
    return s->sh_offset <= image->size && s->sh_size <= image->size - s->sh_offset;
}

static struct function_table static_table(const struct image *image)
{
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if (s->sh_type != SHT_SYMTAB || s->sh_link >= image->section_count ||
            !section_inside(image, s))
            continue;
        const Elf64_Shdr *strings = &image->sections[s->sh_link];
        if (strings->sh_type != SHT_STRTAB || !section_inside(image, strings))
            continue;
        return (struct function_table){
            .image = image,
            .symbols = s->sh_offset,
            .count = s->sh_size / image->codec->sizes[CODEC_SYMBOL],
            .strings = strings->sh_offset,
            .strings_size = strings->sh_size,
        };
    }
    return (struct function_table){0};
}

static bool is_function(const Elf64_Sym *symbol)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);

    return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
           symbol->st_size != 0 && symbol->st_value + symbol->st_size > symbol->st_value;
}

static bool walk_window(const struct function_table *table, uint64_t offset, uint64_t count,
                        function_visitor *visit, void *context, struct patch_error *error)
{
    const struct codec *codec = table->image->codec;
    size_t size = codec->sizes[CODEC_SYMBOL];
    bool done = true;

    if (!image_load(table->image, offset, count * size, error))
        return false;
    for (uint64_t i = 0; done && i < count; i++) {
        Elf64_Sym symbol;
        codec_read(codec, CODEC_SYMBOL, table->image->bytes + offset + i * size, &symbol);
        if (is_function(&symbol))
            done = visit(context, table, &symbol);
    }
    image_release(table->image, offset, count * size);
    return done;
}

bool functions_walk(const struct image *image, function_visitor *visit, void *context,
                    struct patch_error *error)
{
    const struct function_table tables[] = {static_table(image), dynamic_table(image)};

    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        uint64_t count = tables[t].strings_size != 0 ? tables[t].count : 0;
        for (uint64_t i = 0; i < count; i += WINDOW) {
            uint64_t some = count - i < WINDOW ? count - i : WINDOW;
            if (!walk_window(&tables[t], tables[t].symbols + i * image->codec->sizes[CODEC_SYMBOL],
                             some, visit, context, error))
                return false;
        }
    }
    return true;
}

/* Byte by byte: symbols that follow each other have their names side by side, in blocks that are in
 * memory already. */
bool functions_name(const struct function_table *table, const Elf64_Sym *symbol, char *name,
                    size_t size)
{
    uint64_t at = symbol->st_name;
    size_t length = 0;

    if (at >= table->strings_size)
        return false;
    for (; length < size - 1 && at < table->strings_size; length++, at++) {
        name[length] = (char)image_number(table->image, table->strings + at, 1);
        if (name[length] == '\0' || name[length] == '@') /* .symtab has versions in its names */
            break;
    }
    name[length] = '\0';
    return true;
}

/* --- places ----------------------------------------------------------------------------------- */

struct resolving {
    struct function_place *places;
    size_t count;
    char *name;     /* LONGEST bytes to work with */
    uint64_t steps; /* left, for a table whose symbols all cover everything */
    struct patch_error *error;
};

static size_t first_behind(const struct resolving *resolving, uint64_t address)
{
    size_t low = 0;
    size_t high = resolving->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (resolving->places[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The innermost function counts; of aliases, which begin at one place, the first by name. */
static bool improves(const struct function_place *place, const Elf64_Sym *symbol, const char *name)
{
    if (place->name == NULL || symbol->st_value != place->start)
        return place->name == NULL || symbol->st_value > place->start;
    return strcmp(name, place->name) < 0;
}

static bool offer(void *context, const struct function_table *table, const Elf64_Sym *symbol)
{
    struct resolving *resolving = context;
    uint64_t end = symbol->st_value + symbol->st_size;
    size_t first = first_behind(resolving, symbol->st_value);

    if (first == resolving->count || resolving->places[first].address >= end ||
        !functions_name(table, symbol, resolving->name, LONGEST))
        return true;
    for (size_t i = first; i < resolving->count && resolving->places[i].address < end; i++) {
        if (resolving->steps == 0)
            return true;
        resolving->steps--;
        struct function_place *place = &resolving->places[i];
        if (!improves(place, symbol, resolving->name))
            continue;
        char *name = strdup(resolving->name);
        if (name == NULL)
            return error_memory(resolving->error);
        free(place->name);
        *place = (struct function_place){place->address, symbol->st_value, end, name};
    }
    return true;
}

bool functions_resolve(const struct image *image, struct function_place *places, size_t count,
                       struct patch_error *error)
{
    struct resolving resolving = {places, count, malloc(LONGEST), MOST_STEPS, error};

    if (resolving.name == NULL)
        return error_memory(error);
    bool done = functions_walk(image, offer, &resolving, error);
    for (size_t i = 0; done && i < count; i++)
        if (places[i].end == 0 &&
            !frames_cover(image, places[i].address, &places[i].start, &places[i].end))
            places[i].end = 0;
    free(resolving.name);
    return done;
}

void functions_finish(struct function_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(places[i].name);
}

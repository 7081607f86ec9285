/* SPDX-License-Identifier: MIT
 *
 * Collecting and sorting function symbols.
 */
#include "functions.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

/* A symbol table whose entries may be read, with its strings. */
struct table {
    const struct codec *codec;
    const uint8_t *symbols;
    size_t count;
    const char *strings;
    uint64_t strings_size; /* the last byte is NUL; 0: nothing to read */
};

static struct table dynamic_table(const struct image *image)
{
    return (struct table){
        .codec = image->codec,
        .symbols = image->bytes + image->symbols.offset,
        .count = image->symbol_count,
        .strings = image_string(image, 0),
        .strings_size = image->strings.size,
    };
}

static bool section_inside(const struct image *image, const Elf64_Shdr *s)
{
    return s->sh_offset <= image->size && s->sh_size <= image->size - s->sh_offset;
}

static struct table static_table(const struct image *image)
{
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if (s->sh_type != SHT_SYMTAB || s->sh_link >= image->section_count ||
            !section_inside(image, s))
            continue;
        const Elf64_Shdr *strings = &image->sections[s->sh_link];
        if (strings->sh_type != SHT_STRTAB || strings->sh_size == 0 ||
            !section_inside(image, strings) ||
            !image_load(image, s->sh_offset, s->sh_size, NULL) ||
            !image_load(image, strings->sh_offset, strings->sh_size, NULL) ||
            image->bytes[strings->sh_offset + strings->sh_size - 1] != '\0')
            continue;
        return (struct table){
            .codec = image->codec,
            .symbols = image->bytes + s->sh_offset,
            .count = s->sh_size / image->codec->sizes[CODEC_SYMBOL],
            .strings = (const char *)image->bytes + strings->sh_offset,
            .strings_size = strings->sh_size,
        };
    }
    return (struct table){0};
}

static void add_functions(struct functions *functions, const struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        Elf64_Sym symbol;
        codec_read(table->codec, CODEC_SYMBOL,
                   table->symbols + i * table->codec->sizes[CODEC_SYMBOL], &symbol);
        unsigned type = ELF64_ST_TYPE(symbol.st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF ||
            symbol.st_size == 0 || symbol.st_name >= table->strings_size ||
            symbol.st_value + symbol.st_size < symbol.st_value)
            continue;
        functions->items[functions->count++] = (struct function){
            symbol.st_value, symbol.st_value + symbol.st_size, table->strings + symbol.st_name};
    }
}

static int compare(const void *a, const void *b)
{
    const struct function *x = a;
    const struct function *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return strcmp(x->name, y->name);
}

bool functions_load(const struct image *image, struct functions *functions,
                    struct patch_error *error)
{
    struct table tables[2] = {static_table(image), dynamic_table(image)};

    functions->count = 0;
    functions->items = calloc(tables[0].count + tables[1].count + 1, sizeof(*functions->items));
    if (functions->items == NULL)
        return error_memory(error);
    for (size_t i = 0; i < 2; i++)
        if (tables[i].strings_size != 0)
            add_functions(functions, &tables[i]);
    qsort(functions->items, functions->count, sizeof(*functions->items), compare);
    return true;
}

void functions_finish(struct functions *functions)
{
    free(functions->items);
    memset(functions, 0, sizeof(*functions));
}

const char *functions_at(const struct functions *functions, uint64_t address)
{
    size_t low = 0;
    size_t high = functions->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (functions->items[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    /* Aliases begin at one place; a function inside another one is no common thing. */
    return low > 0 && address < functions->items[low - 1].end ? functions->items[low - 1].name
                                                              : NULL;
}

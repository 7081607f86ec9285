/* SPDX-License-Identifier: MIT
 *
 * The functions that places in the code belong to: by the symbols of .symtab, where that was not
 * stripped, and of .dynsym; without a name by the frames that unwinding knows.
 */
#ifndef PATCHER_FUNCTIONS_H
#define PATCHER_FUNCTIONS_H

#include "elf/image.h"

struct function_place {
    uint64_t address;
    uint64_t start; /* of the function that covers it */
    uint64_t end;   /* 0: none is known */
    char *name;     /* owned; NULL: no symbol covers the place */
};

/* Fills in what is known of each of `count` places, which come in the order of their addresses. */
PATCH_MUST_CHECK bool functions_resolve(const struct image *image, struct function_place *places,
                                        size_t count, struct patch_error *error);

/* Frees the names, not the array. */
void functions_finish(struct function_place *places, size_t count);

/* Called for each defined function symbol; `table` and `symbol` serve functions_name(). */
struct function_table;
typedef bool function_visitor(void *context, const struct function_table *table,
                              const Elf64_Sym *symbol);
PATCH_MUST_CHECK bool functions_walk(const struct image *image, function_visitor *visit,
                                     void *context, struct patch_error *error);

/* The name of a symbol, without a version, cut to `size` bytes and terminated; false when it does
 * not lie inside the string table. */
bool functions_name(const struct function_table *table, const Elf64_Sym *symbol, char *name,
                    size_t size);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A hash table that is less than half full; who finds a slot taken takes the next one.
 */
#include "names.h"

#include "elf/hash.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

/* Where the name stands, or the free slot where it would. */
static const char **find(const struct names *names, const char *name)
{
    size_t slot = hash_gnu(name) & names->mask;

    while (names->slots[slot] != NULL && strcmp(names->slots[slot], name) != 0)
        slot = (slot + 1) & names->mask;
    return &names->slots[slot];
}

bool names_init(struct names *names, const char *const *list, struct patch_error *error)
{
    size_t count = 0;
    size_t slots = 16;

    while (list[count] != NULL)
        count++;
    while (slots <= 2 * count)
        slots *= 2;
    names->mask = slots - 1;
    names->slots = calloc(slots, sizeof(*names->slots));
    if (names->slots == NULL)
        return error_memory(error);
    for (size_t i = 0; i < count; i++)
        *find(names, list[i]) = list[i];
    return true;
}

void names_finish(struct names *names)
{
    free(names->slots);
    names->slots = NULL;
}

bool names_have(const struct names *names, const char *name)
{
    return *find(names, name) != NULL;
}

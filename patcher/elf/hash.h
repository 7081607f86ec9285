/* SPDX-License-Identifier: MIT
 *
 * The two hash functions of dynamic symbol names, and DT_HASH with some symbols renamed.
 */
#ifndef PATCHER_HASH_H
#define PATCHER_HASH_H

#include "elf/image.h"

uint32_t hash_sysv(const char *name); /* gABI, DT_HASH */
uint32_t hash_gnu(const char *name);  /* DT_GNU_HASH */

/* DT_HASH as numbers: nbucket, nchain, buckets, chains. */
struct hash_table {
    uint32_t *words;
    uint32_t buckets;
    uint32_t chains;
};

/* The caller finishes *table. */
PATCH_MUST_CHECK bool hash_load(const struct image *image, struct hash_table *table,
                                struct patch_error *error);
void hash_finish(struct hash_table *table);

/* Takes the symbols marked in `moved` (one byte a symbol) out of their chains, in one walk; clears
 * the marks of those that stood in none. */
PATCH_MUST_CHECK bool hash_unlink(const struct image *image, struct hash_table *table,
                                  uint8_t *moved, struct patch_error *error);

/* Puts a symbol in front of the chain of its new name. */
void hash_link(struct hash_table *table, uint32_t symbol, const char *name);

#endif

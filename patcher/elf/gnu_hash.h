/* SPDX-License-Identifier: MIT
 *
 * DT_GNU_HASH where undefined symbols are in it. Most linkers hash what the file defines and no
 * more; GNU ld also hashes what a program both calls and takes the address of. The loader never
 * takes such an entry for a definition, but a table with the hash of an old name is not a sound
 * one.
 */
#ifndef PATCHER_GNU_HASH_H
#define PATCHER_GNU_HASH_H

#include "plan.h"

/* Adds edits that give the hashed ones among the renamed symbols the hash of their new name, and
 * the filter the bits of it. Their bucket stays: nobody is to find them. `names` has an entry a
 * symbol, NULL for those that keep their name. */
PATCH_MUST_CHECK bool gnu_hash_rename(const struct image *image, const char *const *names,
                                      struct plan *plan, struct patch_error *error);

#endif

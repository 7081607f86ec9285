/* SPDX-License-Identifier: MIT
 *
 * The proof that a file is another one with imports redirected and nothing else changed. It is made
 * from the two files alone, by what the formats say; no plan and no undo record is believed.
 */
#ifndef PATCHER_PROOF_H
#define PATCHER_PROOF_H

#include "elf/image.h"

enum { PROOF_TEXT = 320 };

/* Whether every byte of `after` is one of `before`, or one of the declared edits with its right
 * value. `text` (PROOF_TEXT bytes) becomes the counts of what differs, or says which byte is none
 * of these. Both files are walked in windows. */
PATCH_MUST_CHECK bool proof_make(const struct image *before, const struct image *after,
                                 const struct patch_options *options, char *text);

#endif

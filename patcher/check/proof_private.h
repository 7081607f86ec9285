/* SPDX-License-Identifier: MIT
 *
 * What the parts of the proof share: the shape of the change and what was counted so far.
 *
 *     cave        before | table | padding ...     the same size; the table stands in the padding
 *     extension   before ... | .bss, table | ...   grown at the end of the last segment
 *     segment     before ... | headers, table      grown at its end, by one more PT_LOAD
 */
#ifndef PATCHER_PROOF_PRIVATE_H
#define PATCHER_PROOF_PRIVATE_H

#include "check/proof.h"
#include "elf/image.h"

enum proof_shape { PROOF_SAME, PROOF_CAVE, PROOF_EXTENSION, PROOF_SEGMENT };

/* What is counted, in the order of the report. */
#define PROOF_KINDS(X)                                                                             \
    X(NAMES, "st_name")                                                                            \
    X(VERSIONS, "symbol versions")                                                                 \
    X(HASH, "hash words")                                                                          \
    X(DYNAMIC, "dynamic entries")                                                                  \
    X(HEADER, "ELF header fields")                                                                 \
    X(SEGMENTS, "program header fields")                                                           \
    X(SECTIONS, "section header fields")                                                           \
    X(SYMTAB, "section symbols")

enum proof_kind {
#define X(name, text) PROOF_##name,
    PROOF_KINDS(X)
#undef X
        PROOF_KIND_COUNT,
};

struct proof {
    const struct image *before;
    const struct image *after;
    const struct patch_options *options;
    char *text; /* PROOF_TEXT bytes */

    enum proof_shape shape;
    uint64_t insertion; /* in `before`; where nothing is inserted: its size */
    uint64_t growth;    /* bytes that `after` has more, all of them there */
    size_t grown;       /* cave, extension: the segment that grows */
    size_t added;       /* segment: index of the new program header */

    uint64_t counts[PROOF_KIND_COUNT];
    uint64_t differing; /* bytes of `before` that changed */
    uint64_t fresh;     /* bytes that are new */

    /* Offsets in the new .dynstr that an edit refers to; ascending once they are complete. */
    uint32_t *references;
    size_t reference_count;
    size_t reference_capacity;
};

/* Writes the text; returns false. */
bool proof_refute(struct proof *proof, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool proof_failed(struct proof *proof, const struct patch_error *error);

/* Where a byte of `before` stands in `after`. */
uint64_t proof_map(const struct proof *proof, uint64_t offset);

/* Records that the string at `offset` of the new .dynstr is one that was added. */
PATCH_MUST_CHECK bool proof_refer(struct proof *proof, uint64_t offset);

/* proof_headers.c: the ELF header, program headers and section headers. */
PATCH_MUST_CHECK bool proof_headers(struct proof *proof);

/* proof_tables.c: .dynamic, .dynsym, .gnu.version and DT_HASH. */
PATCH_MUST_CHECK bool proof_tables(struct proof *proof);

/* proof_bytes.c: everything else, byte by byte; and what is new. */
PATCH_MUST_CHECK bool proof_bytes(struct proof *proof);
PATCH_MUST_CHECK bool proof_new_area(struct proof *proof);

#endif

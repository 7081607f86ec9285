/* SPDX-License-Identifier: MIT
 *
 * From the two files to the shape of the change; the parts do the rest.
 */
#include "check/proof.h"

#include "check/proof_private.h"
#include "error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool proof_refute(struct proof *proof, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(proof->text, PROOF_TEXT, format, arguments);
    va_end(arguments);
    return false;
}

bool proof_failed(struct proof *proof, const struct patch_error *error)
{
    patch_error_format(error, proof->text, PROOF_TEXT);
    return false;
}

uint64_t proof_map(const struct proof *proof, uint64_t offset)
{
    return offset >= proof->insertion ? offset + proof->growth : offset;
}

bool proof_refer(struct proof *proof, uint64_t offset)
{
    if (offset < proof->before->strings.size)
        return true;
    if (proof->reference_count == proof->reference_capacity) {
        size_t larger = proof->reference_capacity * 2 + 64;
        uint32_t *references = realloc(proof->references, larger * sizeof(*references));
        struct patch_error error = {0};
        if (references == NULL) {
            error_memory(&error);
            return proof_failed(proof, &error);
        }
        proof->references = references;
        proof->reference_capacity = larger;
    }
    proof->references[proof->reference_count++] = (uint32_t)offset;
    return true;
}

/* --- the shape ---------------------------------------------------------------------------------
 */

/* The segment of `before` right behind which the new table is mapped, and which has grown over it.
 */
static bool find_grown(struct proof *proof)
{
    const struct image_table *table = &proof->after->strings;

    for (size_t i = 0; i < proof->before->segment_count; i++) {
        const Elf64_Phdr *old = &proof->before->segments[i];
        const Elf64_Phdr *new = &proof->after->segments[i];
        if (old->p_type != PT_LOAD || new->p_type != PT_LOAD || new->p_vaddr != old->p_vaddr)
            continue;
        if (table->address >= old->p_vaddr + old->p_memsz &&
            table->address - new->p_vaddr + table->size == new->p_filesz) {
            proof->grown = i;
            return true;
        }
    }
    return proof_refute(proof, "the new .dynstr at address 0x%" PRIx64 " ends no segment that grew",
                        table->address);
}

static bool is_last(const struct image *image, size_t segment)
{
    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_LOAD &&
            image->segments[i].p_vaddr > image->segments[segment].p_vaddr)
            return false;
    return true;
}

/* A cave: zeros that no header of `before` speaks of, behind a segment that is not written to. */
static bool accept_cave(struct proof *proof)
{
    const Elf64_Phdr *s = &proof->before->segments[proof->grown];
    const struct image_table *table = &proof->after->strings;

    proof->shape = PROOF_CAVE;
    if (s->p_filesz != s->p_memsz || (s->p_flags & PF_W) != 0)
        return proof_refute(proof, "the segment that grew is writable, or has more memory than "
                                   "content");
    if (table->offset + table->size > proof->before->size)
        return proof_refute(proof, "the new .dynstr ends behind the original");
    return true;
}

static bool accept_extension(struct proof *proof)
{
    const Elf64_Phdr *s = &proof->before->segments[proof->grown];

    proof->shape = PROOF_EXTENSION;
    proof->insertion = s->p_offset + s->p_filesz;
    return is_last(proof->before, proof->grown) ||
           proof_refute(proof, "a segment grew that is not the last");
}

static bool same_strings(const struct proof *proof)
{
    const struct image_table *old = &proof->before->strings;
    const struct image_table *new = &proof->after->strings;

    return old->offset == new->offset && old->size == new->size;
}

static bool find_shape(struct proof *proof)
{
    const struct image *before = proof->before;
    const struct image *after = proof->after;

    proof->insertion = before->size;
    if (after->size < before->size)
        return proof_refute(proof, "%" PRIu64 " bytes are missing", before->size - after->size);
    proof->growth = after->size - before->size;
    if (before->codec != after->codec || before->arch != after->arch)
        return proof_refute(proof, "another machine, class or byte order");
    if (after->segment_count == before->segment_count + 1) {
        proof->shape = PROOF_SEGMENT;
        proof->insertion = image_end(before);
        return true;
    }
    if (after->segment_count != before->segment_count)
        return proof_refute(proof, "%zu program headers, before there were %zu",
                            after->segment_count, before->segment_count);
    if (proof->growth == 0 && same_strings(proof))
        return true;
    if (!find_grown(proof))
        return false;
    return proof->growth == 0 ? accept_cave(proof) : accept_extension(proof);
}

/* --- the result --------------------------------------------------------------------------------
 */

static const char *const kind_names[] = {
#define X(name, text) [PROOF_##name] = text,
    PROOF_KINDS(X)
#undef X
};

static void tell_counts(const struct proof *proof)
{
    uint64_t total = proof->differing + proof->fresh;
    int used = snprintf(proof->text, PROOF_TEXT, "%" PRIu64 " bytes differ", total);
    const char *between = ": ";

    if (total == 0) {
        snprintf(proof->text, PROOF_TEXT, "no byte differs");
        return;
    }
    for (size_t i = 0; i < PROOF_KIND_COUNT; i++) {
        if (proof->counts[i] == 0)
            continue;
        used += snprintf(proof->text + used, (size_t)(PROOF_TEXT - used), "%s%" PRIu64 " %s",
                         between, proof->counts[i], kind_names[i]);
        between = ", ";
    }
    if (proof->fresh != 0)
        snprintf(proof->text + used, (size_t)(PROOF_TEXT - used), "%s%" PRIu64 " bytes are new",
                 between, proof->fresh);
}

bool proof_make(const struct image *before, const struct image *after,
                const struct patch_options *options, char *text)
{
    struct proof proof = {
        .before = before,
        .after = after,
        .options = options,
        .text = text,
    };
    bool done = find_shape(&proof) && proof_headers(&proof) && proof_tables(&proof) &&
                proof_bytes(&proof) && proof_new_area(&proof);

    if (done)
        tell_counts(&proof);
    free(proof.references);
    return done;
}

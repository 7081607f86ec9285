/* SPDX-License-Identifier: MIT
 *
 * The file against what it was. The first check is the whole proof; the others say in the words of
 * the format what must be no weaker, and hold after strip and its kin too.
 */
#include "check/proof.h"
#include "check/verify.h"
#include "elf/window.h"
#include "error.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum patch_verdict no_original(const struct verify_subject *subject, char *detail)
{
    snprintf(detail, VERIFY_DETAIL, "%s", subject->missing != NULL ? subject->missing : "unknown");
    return subject->unusable ? PATCH_FAULT : PATCH_SKIPPED;
}

enum patch_verdict check_original(const struct verify_subject *subject, char *detail)
{
    char text[PROOF_TEXT] = "";

    if (subject->original == NULL)
        return no_original(subject, detail);
    bool holds = proof_make(subject->original, subject->image, subject->options, text);
    snprintf(detail, VERIFY_DETAIL, "against %s: %s", subject->source, text);
    return holds ? PATCH_PASS : PATCH_FAULT;
}

/* --- protection --------------------------------------------------------------------------------
 */

static const Elf64_Phdr *first_of(const struct image *image, uint32_t type)
{
    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == type)
            return &image->segments[i];
    return NULL;
}

/* Nothing is mapped for an empty one, which may stand where the next begins. */
static bool is_mapped(const Elf64_Phdr *s)
{
    return s->p_type == PT_LOAD && s->p_memsz != 0;
}

static const Elf64_Phdr *load_at(const struct image *image, uint64_t address)
{
    for (size_t i = 0; i < image->segment_count; i++)
        if (is_mapped(&image->segments[i]) && image->segments[i].p_vaddr == address)
            return &image->segments[i];
    return NULL;
}

/* What the original has must be there with the same rights; what is new may only be read. */
static enum patch_verdict compare_loads(const struct image *was, const struct image *is,
                                        char *detail)
{
    for (size_t i = 0; i < was->segment_count; i++) {
        const Elf64_Phdr *old = &was->segments[i];
        const Elf64_Phdr *new = load_at(is, old->p_vaddr);
        if (is_mapped(old) && (new == NULL || new->p_flags != old->p_flags))
            return verify_fault(detail, "the PT_LOAD at address 0x%" PRIx64 " has other flags",
                                (uint64_t)old->p_vaddr);
    }
    for (size_t i = 0; i < is->segment_count; i++) {
        const Elf64_Phdr *new = &is->segments[i];
        if (is_mapped(new) && load_at(was, new->p_vaddr) == NULL && new->p_flags != PF_R)
            return verify_fault(detail, "program header[%zu] is new, and not only readable", i);
    }
    return PATCH_PASS;
}

/* Without PT_GNU_STACK the stack is executable. */
static bool stack_executes(const struct image *image)
{
    const Elf64_Phdr *stack = first_of(image, PT_GNU_STACK);

    return stack == NULL || (stack->p_flags & PF_X) != 0;
}

static bool covers(const Elf64_Phdr *is, const Elf64_Phdr *was)
{
    return is != NULL && is->p_vaddr <= was->p_vaddr &&
           is->p_vaddr + is->p_memsz >= was->p_vaddr + was->p_memsz;
}

static bool binds_now(const struct image *image)
{
    const Elf64_Dyn *flags = image_dynamic(image, DT_FLAGS);
    const Elf64_Dyn *more = image_dynamic(image, DT_FLAGS_1);

    return image_dynamic(image, DT_BIND_NOW) != NULL ||
           (flags != NULL && (flags->d_un.d_val & DF_BIND_NOW) != 0) ||
           (more != NULL && (more->d_un.d_val & DF_1_NOW) != 0);
}

enum patch_verdict check_original_protection(const struct verify_subject *subject, char *detail)
{
    const struct image *was = subject->original;
    const struct image *is = subject->image;

    if (was == NULL)
        return no_original(subject, detail);
    const Elf64_Phdr *relro = first_of(was, PT_GNU_RELRO);
    if (stack_executes(is) && !stack_executes(was))
        return verify_fault(detail, "the stack is executable now");
    if (relro != NULL && !covers(first_of(is, PT_GNU_RELRO), relro))
        return verify_fault(
            detail, "PT_GNU_RELRO covers less than 0x%" PRIx64 " bytes at address 0x%" PRIx64,
            (uint64_t)relro->p_memsz, (uint64_t)relro->p_vaddr);
    if (binds_now(was) && !binds_now(is))
        return verify_fault(detail, "symbols are not bound at once any more");
    return compare_loads(was, is, detail);
}

/* --- content that stays ------------------------------------------------------------------------
 */

/* Whether the file contents of two segments are the same; false with a verdict in `detail`. */
static bool same_content(const struct image *was, const Elf64_Phdr *a, const struct image *is,
                         const Elf64_Phdr *b, const char *name, char *detail)
{
    struct window old = {.image = was};
    struct window new = {.image = is};
    struct patch_error error = {0};
    bool same = a->p_filesz == b->p_filesz;

    for (uint64_t at = 0; same && at < a->p_filesz; at += WINDOW_SIZE) {
        uint64_t left = a->p_filesz - at;
        uint64_t size = left < WINDOW_SIZE ? left : WINDOW_SIZE;
        const uint8_t *x = window_at(&old, a->p_offset + at, size, &error);
        const uint8_t *y = x != NULL ? window_at(&new, b->p_offset + at, size, &error) : NULL;
        same = y != NULL && memcmp(x, y, size) == 0;
    }
    window_close(&old);
    window_close(&new);
    if (error.code != PATCH_OK)
        verify_unreadable(detail, &error);
    else if (!same)
        verify_fault(detail, "%s at 0x%" PRIx64 " is not what it was", name, (uint64_t)b->p_offset);
    return same;
}

/* The next PT_NOTE at or behind index `*i`. */
static const Elf64_Phdr *next_note(const struct image *image, size_t *i)
{
    while (*i < image->segment_count)
        if (image->segments[(*i)++].p_type == PT_NOTE)
            return &image->segments[*i - 1];
    return NULL;
}

enum patch_verdict check_original_notes(const struct verify_subject *subject, char *detail)
{
    const struct image *was = subject->original;
    size_t i = 0;
    size_t k = 0;

    if (was == NULL)
        return no_original(subject, detail);
    for (;;) {
        const Elf64_Phdr *old = next_note(was, &i);
        const Elf64_Phdr *new = next_note(subject->image, &k);
        if (old == NULL && new == NULL)
            return PATCH_PASS;
        if (old == NULL || new == NULL)
            return verify_fault(detail, "%s PT_NOTE than before", old == NULL ? "more" : "fewer");
        if (!same_content(was, old, subject->image, new, "PT_NOTE", detail))
            return PATCH_FAULT;
    }
}

enum patch_verdict check_original_tls(const struct verify_subject *subject, char *detail)
{
    const struct image *was = subject->original;

    if (was == NULL)
        return no_original(subject, detail);
    const Elf64_Phdr *old = first_of(was, PT_TLS);
    const Elf64_Phdr *new = first_of(subject->image, PT_TLS);
    if (old == NULL && new == NULL)
        return PATCH_PASS;
    if (old == NULL || new == NULL || old->p_vaddr != new->p_vaddr ||
        old->p_memsz != new->p_memsz || old->p_align != new->p_align ||
        old->p_filesz != new->p_filesz)
        return verify_fault(detail, "PT_TLS has another place or size");
    return same_content(was, old, subject->image, new, "PT_TLS", detail) ? PATCH_PASS : PATCH_FAULT;
}

/* --- exports -----------------------------------------------------------------------------------
 */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_export(const struct verify_subject *subject, const struct versions *versions,
                        uint32_t index)
{
    const struct image *was = subject->original;
    const struct image *is = subject->image;
    Elf64_Sym old = image_symbol(was, index);
    Elf64_Sym new = image_symbol(is, index);

    if (old.st_shndx == SHN_UNDEF)
        return new.st_shndx == SHN_UNDEF;
    return new.st_shndx != SHN_UNDEF &&old.st_value == new.st_value &&old.st_size ==
               new.st_size &&old.st_info == new.st_info &&old.st_other ==
               new.st_other &&same_text(image_string(was, old.st_name),
                                        image_string(is, new.st_name)) &&
           same_text(versions_name(versions, was, index),
                     versions_name(subject->versions, is, index));
}

enum patch_verdict check_original_exports(const struct verify_subject *subject, char *detail)
{
    const struct image *was = subject->original;
    struct versions versions = {0};
    struct patch_error error;
    enum patch_verdict verdict = PATCH_PASS;

    if (was == NULL)
        return no_original(subject, detail);
    if (was->symbol_count != subject->image->symbol_count)
        return verify_fault(detail, "%u symbols, before there were %u",
                            subject->image->symbol_count, was->symbol_count);
    if (!versions_load(was, &versions, &error))
        return verify_unreadable(detail, &error);
    for (uint32_t i = 0; verdict == PATCH_PASS && i < was->symbol_count; i++) {
        const char *name = image_symbol_name(was, i);
        if (!same_export(subject, &versions, i))
            verdict = verify_fault(detail, ".dynsym[%u] %s is exported otherwise than before", i,
                                   name != NULL ? name : "");
    }
    versions_finish(&versions);
    return verdict;
}

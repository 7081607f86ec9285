/* SPDX-License-Identifier: MIT
 *
 * Notes (gABI, "Note Section"): a header of three words, the name, the description, each padded.
 */
#include "check/verify.h"
#include "elf/window.h"

#include <inttypes.h>
#include <string.h>

enum { HEAD = 12, LONGEST_NAME = 4096 };

/* The first build-id that was met. */
struct build_id {
    bool found;
    uint64_t offset;
};

static uint64_t padded(uint64_t size, uint64_t align)
{
    return (size + align - 1) & ~(align - 1);
}

static bool is_build_id(uint32_t type, const uint8_t *name, uint32_t name_size)
{
    return type == NT_GNU_BUILD_ID && name_size == 4 && memcmp(name, "GNU", 4) == 0;
}

/* One note at `at` of segment `s`; `*at` becomes the place of the next. */
static enum patch_verdict check_note(const struct image *image, const Elf64_Phdr *s,
                                     struct window *window, uint64_t align, uint64_t *at,
                                     struct build_id *id, char *detail)
{
    struct patch_error error;
    uint64_t place = s->p_offset + *at;
    uint64_t left = s->p_filesz - *at;
    const uint8_t *head = left >= HEAD ? window_at(window, place, HEAD, &error) : NULL;

    if (left < HEAD)
        return verify_fault(detail, "note at 0x%" PRIx64 ": its header is cut off", place);
    if (head == NULL)
        return verify_unreadable(detail, &error);
    uint32_t name_size = (uint32_t)codec_number(image->codec, head, 4);
    uint32_t content = (uint32_t)codec_number(image->codec, head + 4, 4);
    uint32_t type = (uint32_t)codec_number(image->codec, head + 8, 4);
    uint64_t start = padded(HEAD + (uint64_t)name_size, align);
    /* The padding of the last one may be missing. */
    if (name_size > LONGEST_NAME || start > left || content > left - start)
        return verify_fault(detail,
                            "note at 0x%" PRIx64 ": a name of %u and a content of %u bytes do not "
                            "fit into its segment",
                            place, name_size, content);
    head = window_at(window, place, HEAD + name_size, &error);
    if (head == NULL)
        return verify_unreadable(detail, &error);
    if (is_build_id(type, head + HEAD, name_size)) {
        if (id->found && id->offset != place)
            return verify_fault(detail, "build-ids at 0x%" PRIx64 " and 0x%" PRIx64, id->offset,
                                place);
        *id = (struct build_id){true, place};
    }
    uint64_t size = padded(start + content, align);
    *at += size < left ? size : left;
    return PATCH_PASS;
}

static enum patch_verdict check_all_of(const struct image *image, const Elf64_Phdr *s,
                                       struct window *window, uint64_t align, struct build_id *id,
                                       char *detail)
{
    enum patch_verdict verdict = PATCH_PASS;

    for (uint64_t at = 0; verdict == PATCH_PASS && at < s->p_filesz;)
        verdict = check_note(image, s, window, align, &at, id, detail);
    return verdict;
}

/* mold puts notes that are aligned to 4 behind one that is aligned to 8 into the same segment. */
static enum patch_verdict check_segment(const struct image *image, const Elf64_Phdr *s,
                                        struct window *window, struct build_id *id, char *detail)
{
    struct build_id before = *id;

    if (s->p_align == 8 && check_all_of(image, s, window, 8, id, detail) == PATCH_PASS)
        return PATCH_PASS;
    *id = before;
    detail[0] = '\0';
    return check_all_of(image, s, window, 4, id, detail);
}

enum patch_verdict check_notes(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    struct window window = {.image = image};
    struct build_id id = {0};
    enum patch_verdict verdict = PATCH_PASS;
    bool any = false;

    for (size_t i = 0; i < image->segment_count && verdict == PATCH_PASS; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type != PT_NOTE)
            continue;
        any = true;
        verdict = check_segment(image, s, &window, &id, detail);
    }
    window_close(&window);
    if (verdict == PATCH_PASS && !any)
        return verify_skip(detail, "no PT_NOTE");
    return verdict;
}

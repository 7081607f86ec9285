/* SPDX-License-Identifier: MIT
 *
 * The binary search table of .eh_frame_hdr (LSB, "Exception Frames"): pairs of four bytes, the
 * first address of a function and the place of its description, both counted from the header.
 *
 *     header: version, 3 encodings, pointer to .eh_frame, count, pairs...
 *     description: length, distance to the common part, first address, size of the function...
 */
#include "scan/frames.h"

#include <string.h>

enum { PAIR = 8, MOST_AUGMENTATION = 16 };

/* DW_EH_PE_*: the low four bits are the format. */
enum {
    FORMAT = 0x0f,
    ADDRESS = 0x00,
    ULEB128 = 0x01,
    UDATA2 = 0x02,
    UDATA4 = 0x03,
    UDATA8 = 0x04,
    SLEB128 = 0x09,
    SDATA2 = 0x0a,
    SDATA4 = 0x0b,
    SDATA8 = 0x0c,
    TABLE = 0x3b, /* datarel, sdata4 */
};

/* Bytes at an address, read one after another; `failed` once they are not in the file. */
struct cursor {
    const struct image *image;
    uint64_t address;
    bool failed;
};

static uint64_t take(struct cursor *cursor, size_t width)
{
    uint64_t offset;

    if (cursor->failed || !image_offset(cursor->image, cursor->address, width, &offset)) {
        cursor->failed = true;
        return 0;
    }
    cursor->address += width;
    return image_number(cursor->image, offset, width);
}

static uint64_t take_signed4(struct cursor *cursor)
{
    return (uint64_t)(int64_t)(int32_t)take(cursor, 4);
}

/* ULEB128 or SLEB128, whose value nobody needs. */
static void skip_leb(struct cursor *cursor)
{
    while ((take(cursor, 1) & 0x80) != 0 && !cursor->failed)
        continue;
}

/* Bytes of a pointer in this encoding; 0: it is of no fixed size. */
static size_t encoded_width(const struct image *image, uint64_t encoding)
{
    switch (encoding & FORMAT) {
    case ADDRESS:
        return image->codec->word;
    case UDATA2:
    case SDATA2:
        return 2;
    case UDATA4:
    case SDATA4:
        return 4;
    case UDATA8:
    case SDATA8:
        return 8;
    default:
        return 0;
    }
}

struct header {
    uint64_t address;
    uint64_t pairs; /* address of the first */
    uint64_t count;
};

static bool read_header(const struct image *image, struct header *header)
{
    const Elf64_Phdr *segment = NULL;

    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_GNU_EH_FRAME)
            segment = &image->segments[i];
    if (segment == NULL)
        return false;
    struct cursor cursor = {.image = image, .address = segment->p_vaddr};
    uint64_t version = take(&cursor, 1);
    size_t pointer = encoded_width(image, take(&cursor, 1));
    uint64_t count_encoding = take(&cursor, 1);
    uint64_t table_encoding = take(&cursor, 1);
    if (version != 1 || pointer == 0 || count_encoding != UDATA4 || table_encoding != TABLE)
        return false;
    take(&cursor, pointer);
    header->count = take(&cursor, 4);
    header->address = segment->p_vaddr;
    header->pairs = cursor.address;
    return !cursor.failed && header->count > 0;
}

static bool read_pair(const struct image *image, const struct header *header, uint64_t index,
                      uint64_t *start, uint64_t *description)
{
    struct cursor cursor = {.image = image, .address = header->pairs + index * PAIR};

    *start = header->address + take_signed4(&cursor);
    *description = header->address + take_signed4(&cursor);
    return !cursor.failed;
}

/* How the descriptions that belong to the common part at `address` write pointers. */
static bool pointer_encoding(const struct image *image, uint64_t address, uint64_t *encoding)
{
    struct cursor cursor = {.image = image, .address = address + 8};
    char augmentation[MOST_AUGMENTATION] = "";
    uint64_t version = take(&cursor, 1);

    for (size_t i = 0; i + 1 < sizeof(augmentation); i++) {
        augmentation[i] = (char)take(&cursor, 1);
        if (augmentation[i] == '\0')
            break;
    }
    skip_leb(&cursor); /* code alignment */
    skip_leb(&cursor); /* data alignment */
    if (version == 1)
        take(&cursor, 1);
    else
        skip_leb(&cursor); /* return address register */
    *encoding = ADDRESS;
    if (augmentation[0] != 'z')
        return !cursor.failed && augmentation[0] == '\0';
    skip_leb(&cursor); /* size of what follows */
    for (const char *letter = augmentation + 1; *letter != '\0'; letter++) {
        if (*letter == 'R') {
            *encoding = take(&cursor, 1);
            return !cursor.failed;
        }
        if (*letter == 'L')
            take(&cursor, 1);
        else if (*letter == 'P')
            take(&cursor, encoded_width(image, take(&cursor, 1)));
    }
    return !cursor.failed;
}

static bool read_size(const struct image *image, uint64_t description, uint64_t *size)
{
    struct cursor cursor = {.image = image, .address = description};
    uint64_t length = take(&cursor, 4);
    uint64_t place = cursor.address;
    uint64_t encoding;
    uint64_t distance = take(&cursor, 4);

    if (cursor.failed || length == UINT32_MAX ||
        !pointer_encoding(image, place - distance, &encoding))
        return false;
    size_t width = encoded_width(image, encoding);
    take(&cursor, width);
    *size = take(&cursor, width);
    return width != 0 && !cursor.failed;
}

bool frames_cover(const struct image *image, uint64_t address, uint64_t *start, uint64_t *end)
{
    struct header header;
    uint64_t low = 0;
    uint64_t description, size;

    if (!read_header(image, &header))
        return false;
    for (uint64_t high = header.count; low < high;) {
        uint64_t middle = low + (high - low) / 2;
        if (!read_pair(image, &header, middle, start, &description))
            return false;
        if (*start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !read_pair(image, &header, low - 1, start, &description) ||
        !read_size(image, description, &size) || address - *start >= size || *start + size < *start)
        return false;
    *end = *start + size;
    return true;
}

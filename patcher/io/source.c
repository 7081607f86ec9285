/* SPDX-License-Identifier: MIT
 *
 * Address space is reserved for the whole file and given memory block by block; each block counts
 * who holds it. Glances look into a few buffers, the latest first. Of a small file, each block that
 * was read stays: it costs less than to read it again.
 */
#include "io/source.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Fresh memory costs more than what is read into it, so a block is small. */
enum {
    BLOCK = 1 << 13,
    BUFFERS = 24, /* of a block each, for glances */
    KEPT = 0xff,  /* a block that is never let go */
};
_Static_assert((int)SOURCE_RECORD <= (int)BLOCK, "a record lies in two blocks at most");

/* What is seen where there is no memory at all. */
static const uint8_t nothing[BLOCK];

struct buffer {
    size_t block;
    uint8_t *bytes;
};

struct source {
    struct reader reader; /* the first member: what reads gets a pointer to it */
    const struct reader *file;
    bool small;
    uint64_t size;
    uint8_t *bytes;
    size_t reserved;
    uint8_t *blocks;                /* for each the loads that are not released, up to KEPT */
    struct buffer buffers[BUFFERS]; /* the last used one first */
    size_t buffer_count;
    uint64_t seen; /* where the block of the last glance begins; UINT64_MAX: nowhere */
    const uint8_t *seen_bytes;
    uint8_t record[SOURCE_RECORD]; /* one that lies in two blocks */
    bool failed;
    struct patch_error failure; /* of the first read that failed */
};

/* --- memory ------------------------------------------------------------------------------------
 */

static size_t block_at(uint64_t offset)
{
    return (size_t)(offset / BLOCK);
}

/* The first block behind `size` bytes, which are not none, at `offset`. */
static size_t end_block(uint64_t offset, uint64_t size)
{
    return block_at(offset + size - 1) + 1;
}

static uint64_t block_start(size_t block)
{
    return (uint64_t)block * BLOCK;
}

static uint64_t block_end(const struct source *source, size_t block)
{
    uint64_t end = block_start(block + 1);

    return end < source->size ? end : source->size;
}

/* Gives memory to the blocks from `first` up to `end`. */
static bool open_blocks(struct source *source, size_t first, size_t end, struct patch_error *error)
{
    uint8_t *start = source->bytes + block_start(first);
    size_t size = (end - first) * BLOCK;

    return source->small || mprotect(start, size, PROT_READ | PROT_WRITE) == 0 ||
           error_system(error, "mprotect");
}

static void drop_blocks(struct source *source, size_t first, size_t end)
{
    uint8_t *start = source->bytes + block_start(first);
    size_t size = (end - first) * BLOCK;

    if (source->small)
        return;
    source->seen = UINT64_MAX;
    /* Where there is no room for one more mapping, the memory goes nevertheless. */
    if (mmap(start, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0) == MAP_FAILED)
        madvise(start, size, MADV_DONTNEED);
}

static void note_failure(struct source *source, const struct patch_error *failure)
{
    if (!source->failed)
        source->failure = *failure;
    source->failed = true;
}

static bool fill_blocks(struct source *source, size_t first, size_t end, struct patch_error *error)
{
    uint64_t start = block_start(first);
    struct patch_error failure = {0};

    if (open_blocks(source, first, end, &failure) &&
        source->file->read(source->file, start, source->bytes + start,
                           block_end(source, end - 1) - start, &failure)) {
        if (source->small)
            memset(source->blocks + first, KEPT, end - first);
        return true;
    }
    note_failure(source, &failure);
    if (error != NULL)
        *error = failure;
    return false;
}

/* --- load, release -----------------------------------------------------------------------------
 */

/* Reads what is missing; on failure what was read for nobody goes again. */
static bool complete(struct source *source, size_t first, size_t end, struct patch_error *error)
{
    for (size_t at = first; at < end;) {
        size_t next = at + 1;
        if (source->blocks[at] != 0) {
            at++;
            continue;
        }
        while (next < end && source->blocks[next] == 0)
            next++;
        if (!fill_blocks(source, at, next, error)) {
            for (size_t i = first; i < next; i++)
                if (source->blocks[i] == 0)
                    drop_blocks(source, i, i + 1);
            return false;
        }
        at = next;
    }
    return true;
}

bool source_load(struct source *source, uint64_t offset, uint64_t size, struct patch_error *error)
{
    if (size == 0)
        return true;
    size_t end = end_block(offset, size);
    if (!complete(source, block_at(offset), end, error))
        return false;
    for (size_t i = block_at(offset); i < end; i++)
        if (source->blocks[i] != KEPT)
            source->blocks[i]++;
    return true;
}

bool source_keep(struct source *source, uint64_t offset, uint64_t size, struct patch_error *error)
{
    if (size == 0)
        return true;
    size_t end = end_block(offset, size);
    if (!complete(source, block_at(offset), end, error))
        return false;
    for (size_t i = block_at(offset); i < end; i++)
        source->blocks[i] = KEPT;
    return true;
}

void source_release(struct source *source, uint64_t offset, uint64_t size)
{
    size_t first = block_at(offset);
    size_t end = size != 0 ? end_block(offset, size) : first;

    /* Neighbours that become free go in one call. */
    for (size_t i = first; i < end; i++) {
        uint8_t *block = &source->blocks[i];
        bool last = *block == 1;
        if (*block != KEPT && *block != 0)
            --*block;
        if (last)
            continue;
        if (first < i)
            drop_blocks(source, first, i);
        first = i + 1;
    }
    if (first < end)
        drop_blocks(source, first, end);
}

/* --- glances -----------------------------------------------------------------------------------
 */

/* Index of the buffer of a block, or buffer_count. */
static size_t find_buffer(const struct source *source, size_t block)
{
    size_t i = 0;

    while (i < source->buffer_count && source->buffers[i].block != block)
        i++;
    return i;
}

/* The one that gives way to a block: of the block before it, as tables are mostly gone over in
 * order; else a new one; else the one that was used longest ago. */
static size_t free_buffer(struct source *source, size_t block)
{
    size_t i = block != 0 ? find_buffer(source, block - 1) : source->buffer_count;

    if (i < source->buffer_count)
        return i;
    if (source->buffer_count < BUFFERS) {
        uint8_t *bytes = malloc(BLOCK);
        if (bytes != NULL)
            source->buffers[source->buffer_count++].bytes = bytes;
    }
    return source->buffer_count != 0 ? source->buffer_count - 1 : BUFFERS;
}

/* The buffer of a block, which is moved to the front; NULL: there is no memory. */
static struct buffer *use_buffer(struct source *source, size_t block, bool *found)
{
    size_t i = find_buffer(source, block);

    *found = i < source->buffer_count;
    if (!*found)
        i = free_buffer(source, block);
    if (i == BUFFERS)
        return NULL;
    struct buffer used = {block, source->buffers[i].bytes};
    memmove(source->buffers + 1, source->buffers, i * sizeof(used));
    source->buffers[0] = used;
    return &source->buffers[0];
}

static const uint8_t *look_at_block(struct source *source, size_t block)
{
    uint64_t start = block_start(block);
    struct patch_error error = {0};
    bool found;

    if (source->blocks[block] != 0)
        return source->bytes + start;
    if (source->buffer_count > 0 && source->buffers[0].block == block)
        return source->buffers[0].bytes;
    struct buffer *buffer = use_buffer(source, block, &found);
    if (found)
        return buffer->bytes;
    if (buffer != NULL && source->file->read(source->file, start, buffer->bytes,
                                             block_end(source, block) - start, &error))
        return buffer->bytes;
    if (buffer != NULL)
        memset(buffer->bytes, 0, BLOCK);
    else
        error_memory(&error);
    note_failure(source, &error);
    return buffer != NULL ? buffer->bytes : nothing;
}

const uint8_t *source_memory(struct source *source, uint64_t offset, uint64_t size)
{
    if (!source->small ||
        (size != 0 && !complete(source, block_at(offset), end_block(offset, size), NULL)))
        return NULL;
    return source->bytes + offset;
}

const uint8_t *source_glance(struct source *source, uint64_t offset, uint64_t size)
{
    if (source->small) {
        const uint8_t *bytes = source_memory(source, offset, size);
        return bytes != NULL ? bytes : nothing;
    }
    /* Tables are mostly gone over in order. */
    if (offset >= source->seen && offset + size <= source->seen + BLOCK)
        return source->seen_bytes + (offset - source->seen);
    size_t first = block_at(offset);
    size_t last = block_at(offset + size - 1);
    size_t head = (size_t)(block_start(last) - offset);

    if (first == last) {
        source->seen_bytes = look_at_block(source, first);
        source->seen = block_start(first);
        return source->seen_bytes + offset % BLOCK;
    }
    source->seen = UINT64_MAX;
    memcpy(source->record, look_at_block(source, first) + offset % BLOCK, head);
    memcpy(source->record + head, look_at_block(source, last), (size_t)size - head);
    return source->record;
}

/* --- reading through it ------------------------------------------------------------------------
 */

/* A long read goes past the memory, so that nothing stays of a file that is copied. */
static bool read_source(const struct reader *reader, uint64_t offset, void *to, uint64_t size,
                        struct patch_error *error)
{
    struct source *source = (struct source *)(uintptr_t)reader;

    if (size > SOURCE_RECORD)
        return source->file->read(source->file, offset, to, size, error);
    if (size != 0)
        memcpy(to, source_glance(source, offset, size), size);
    return source_sound(source, error);
}

bool source_copy(struct source *source, uint64_t offset, uint64_t size, void *to,
                 struct patch_error *error)
{
    struct patch_error failure = {0};

    if (source->reader.read(&source->reader, offset, to, size, &failure))
        return true;
    note_failure(source, &failure);
    if (error != NULL)
        *error = failure;
    return false;
}

/* --- create, destroy ---------------------------------------------------------------------------
 */

bool source_create(const struct reader *reader, struct source **out, struct patch_error *error)
{
    uint64_t size = reader->size;
    struct source *source = calloc(1, sizeof(*source));

    if (source == NULL)
        return error_memory(error);
    source->reader = *reader;
    source->reader.read = read_source;
    source->file = reader;
    source->small = size <= SOURCE_SMALL;
    source->seen = UINT64_MAX;
    source->size = size;
    size_t count = size != 0 ? end_block(0, size) : 1;
    source->reserved = count * BLOCK;
    source->blocks = calloc(count + 1, 1);
    source->bytes = MAP_FAILED;
    if (source->blocks != NULL && count <= SIZE_MAX / BLOCK)
        source->bytes =
            mmap(NULL, source->reserved, source->small ? PROT_READ | PROT_WRITE : PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (source->bytes == MAP_FAILED) {
        source_destroy(source);
        return error_memory(error);
    }
    *out = source;
    return true;
}

void source_destroy(struct source *source)
{
    if (source == NULL)
        return;
    for (size_t i = 0; i < source->buffer_count; i++)
        free(source->buffers[i].bytes);
    if (source->bytes != MAP_FAILED)
        munmap(source->bytes, source->reserved);
    free(source->blocks);
    free(source);
}

const uint8_t *source_bytes(const struct source *source)
{
    return source->bytes;
}

const struct reader *source_reader(const struct source *source)
{
    return &source->reader;
}

/* --- strings -----------------------------------------------------------------------------------
 */

/* Read-only memory costs nothing, so that this works where there is none left. */
static void show_zeros(struct source *source, size_t block)
{
    void *start = source->bytes + block_start(block);

    if (mmap(start, BLOCK, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0) == MAP_FAILED)
        mprotect(start, BLOCK, PROT_READ);
}

static void fill_somehow(struct source *source, size_t block)
{
    if (!fill_blocks(source, block, block + 1, NULL))
        show_zeros(source, block);
}

/* The string had an end when it was checked. */
static void end_string(struct source *source, uint64_t last)
{
    struct patch_error failure = {0};

    error_set_at(&failure, PATCH_CHANGED_SINCE, "", last, "somebody else changed it meanwhile");
    note_failure(source, &failure);
    source->bytes[last] = '\0';
}

void source_keep_string(struct source *source, uint64_t offset, uint64_t end)
{
    while (offset < end) {
        size_t block = block_at(offset);
        uint64_t next = block_start(block + 1);
        next = next < end ? next : end;
        if (source->blocks[block] == 0)
            fill_somehow(source, block);
        source->blocks[block] = KEPT;
        if (memchr(source->bytes + offset, '\0', next - offset) != NULL)
            return;
        offset = next;
    }
    end_string(source, end - 1);
}

bool source_sound(const struct source *source, struct patch_error *error)
{
    if (source->failed && error != NULL)
        *error = source->failure;
    return !source->failed;
}

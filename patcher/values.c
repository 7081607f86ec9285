/* SPDX-License-Identifier: MIT
 *
 * One function is decoded once, then its steps are gone through until nothing changes: where ways
 * meet, only what they agree on stays known. A way back is believed at first to agree with
 * everything, and is met with what it brings when its jump was reached.
 */
#include "values.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

enum {
    FARTHEST = 64 * 1024, /* bytes of a function that are decoded, before the place and behind */
    NEAR = 48,            /* where its beginning is not known */
    ATTEMPTS = 16,        /* beginnings that are then tried */
    BEHIND = 32,          /* bytes behind the place that must be code too, in that case */
    LONGEST = 16,         /* instruction */
    MOST_JUMPS = 4096,
    MOST_ROUNDS = 32,
};

/* A jump inside the function, with what is known there. */
struct edge {
    size_t from, to;       /* in the text */
    struct values *values; /* NULL: the jump was not reached yet */
};

struct decoding {
    struct disasm *disasm;
    const struct arch_text *text;
    size_t width;             /* of instructions, or 1 */
    size_t start, place, end; /* in the text */
    struct disasm_step *steps;
    size_t step_count;
    struct edge *edges; /* by target */
    size_t edge_count;
    bool blind; /* there are more jumps than that */
    bool
        strict; /* the function is not known: what does not decode, or no program may do, is data */
};

static struct disasm_step step_at(const struct decoding *decoding, size_t at)
{
    const struct arch_text *text = decoding->text;
    struct disasm_step step;

    if (disasm_step(decoding->disasm, text->code + at, decoding->end - at, text->address + at,
                    &step))
        return step;
    /* no instruction: data, or padding */
    return (struct disasm_step){.size = decoding->width,
                                .flow = DISASM_STOP,
                                .forbidden = true,
                                .to = ARCH_NOWHERE,
                                .lost = UINT64_MAX};
}

static int compare_edges(const void *a, const void *b)
{
    const struct edge *x = a;
    const struct edge *y = b;

    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return (x->from > y->from) - (x->from < y->from);
}

static bool is_edge(const struct decoding *decoding, const struct disasm_step *step, size_t *target)
{
    if (step->flow != DISASM_BRANCH && step->flow != DISASM_JUMP)
        return false;
    *target = step->target - decoding->text->address;
    return *target >= decoding->start && *target < decoding->end;
}

/* Whether what stands at `at` is as certainly code as the place is, and read whole: before that, a
 * wrong beginning may still be out of step. */
static bool is_near(const struct decoding *decoding, size_t at)
{
    return decoding->strict && at + LONGEST >= decoding->place && decoding->end - at >= LONGEST;
}

/* Fills in steps and edges; false when no instruction begins at the place. */
static bool decode(struct decoding *decoding)
{
    bool met = false;
    size_t target;

    decoding->step_count = decoding->edge_count = 0;
    decoding->blind = false;
    for (size_t at = decoding->start; at < decoding->end;) {
        struct disasm_step *step = &decoding->steps[decoding->step_count++];
        *step = step_at(decoding, at);
        met |= at == decoding->place;
        if (step->forbidden && is_near(decoding, at))
            return false;
        if (!met && at > decoding->place)
            return false;
        if (is_edge(decoding, step, &target)) {
            decoding->blind |= decoding->edge_count == MOST_JUMPS;
            if (!decoding->blind)
                decoding->edges[decoding->edge_count++] = (struct edge){at, target, NULL};
        }
        at += step->size;
    }
    qsort(decoding->edges, decoding->edge_count, sizeof(*decoding->edges), compare_edges);
    return met;
}

/* --- following -------------------------------------------------------------------------------- */

/* Returns whether that changed anything. */
static bool meet(struct values *values, const struct values *other)
{
    uint64_t known = values->known & other->known;

    for (size_t i = 0; i < ARCH_VALUES; i++)
        if (values->of[i] != other->of[i])
            known &= ~((uint64_t)1 << i);
    bool changed = known != values->known;
    values->known = known;
    return changed;
}

static void apply(const struct disasm_step *step, struct values *values)
{
    bool known = step->to != ARCH_NOWHERE;
    uint64_t value = step->add;

    if (known && step->from != ARCH_NOWHERE) {
        known = (values->known >> step->from & 1) != 0;
        value += values->of[step->from] & step->keep;
    }
    values->known &= ~step->lost;
    if (step->to == ARCH_NOWHERE)
        return;
    values->known &= ~((uint64_t)1 << step->to);
    if (known) {
        values->known |= (uint64_t)1 << step->to;
        values->of[step->to] = value;
    }
}

/* What is known on the way, and whether there is one: behind a jump there is not, until another
 * leads there. */
struct way {
    struct values values;
    bool open;
};

/* The jumps that lead to `at`. What no way leads to, not even one that was not reached yet, is
 * entered in a manner that cannot be seen: by a table of addresses. */
static void join(const struct decoding *decoding, size_t at, size_t *next, struct way *way)
{
    size_t first;

    while (*next < decoding->edge_count && decoding->edges[*next].to < at)
        ++*next;
    first = *next;
    for (; *next < decoding->edge_count && decoding->edges[*next].to == at; ++*next) {
        const struct edge *edge = &decoding->edges[*next];
        if (edge->values == NULL)
            continue;
        if (way->open)
            meet(&way->values, edge->values);
        else
            *way = (struct way){*edge->values, true};
    }
    if (!way->open && *next == first)
        *way = (struct way){.open = true};
}

static struct edge *find_edge(const struct decoding *decoding, size_t from, size_t to)
{
    const struct edge key = {.from = from, .to = to};

    return bsearch(&key, decoding->edges, decoding->edge_count, sizeof(key), compare_edges);
}

/* Returns whether the jump brings something new; without memory it brings what is not known. */
static bool leave(const struct decoding *decoding, size_t from, size_t to,
                  const struct values *values)
{
    struct edge *edge = find_edge(decoding, from, to);

    if (edge == NULL)
        return false;
    if (edge->values != NULL)
        return meet(edge->values, values);
    edge->values = malloc(sizeof(*edge->values));
    if (edge->values != NULL)
        *edge->values = *values;
    return edge->values != NULL;
}

/* Once through; *values are those at the place. Returns whether another round would differ. */
static bool go_through(const struct decoding *decoding, struct values *values)
{
    struct way way = {.open = true};
    bool changed = false;
    size_t at = decoding->start;
    size_t next = 0;
    size_t target;

    for (size_t i = 0; i < decoding->step_count; at += decoding->steps[i++].size) {
        const struct disasm_step *step = &decoding->steps[i];
        join(decoding, at, &next, &way);
        if (at == decoding->place)
            *values = way.open ? way.values : (struct values){0};
        if (!way.open)
            continue;
        apply(step, &way.values);
        if (is_edge(decoding, step, &target))
            changed |= leave(decoding, at, target, &way.values);
        if (step->flow == DISASM_JUMP || step->flow == DISASM_STOP)
            way = (struct way){.open = false};
    }
    return changed;
}

static void follow(const struct decoding *decoding, struct values *values)
{
    bool changed = true;

    for (int round = 0; changed && round < MOST_ROUNDS; round++)
        changed = go_through(decoding, values);
    if (changed || decoding->blind)
        values->known = 0;
    for (size_t i = 0; i < decoding->edge_count; i++)
        free(decoding->edges[i].values);
}

/* --- finding the beginning -------------------------------------------------------------------- */

static bool decode_function(struct decoding *decoding, struct values *values)
{
    if (!decode(decoding))
        return false;
    follow(decoding, values);
    return true;
}

/* Instructions of any length fall into step after a few: what most beginnings lead to is right. */
static bool decode_near(struct decoding *decoding, struct values *values)
{
    size_t width = decoding->width;
    size_t distance = decoding->place < NEAR ? decoding->place / width * width : NEAR;
    size_t attempts = width > 1 || distance < ATTEMPTS ? 1 : ATTEMPTS;
    struct values found = {0};
    size_t votes = 0;

    for (size_t i = 0; i < attempts; i++) {
        decoding->start = decoding->place - distance + i;
        if (decode_function(decoding, &found) && votes++ == 0)
            *values = found;
    }
    return votes * 2 > attempts;
}

static bool decode_loaded(struct decoding *decoding, bool from_start, struct values *values)
{
    size_t most = (decoding->end - decoding->start) / decoding->width + 1;
    bool met = false;

    decoding->edges = calloc(MOST_JUMPS, sizeof(*decoding->edges));
    decoding->steps = malloc(most * sizeof(*decoding->steps));
    if (decoding->edges != NULL && decoding->steps != NULL)
        met = from_start ? decode_function(decoding, values) : decode_near(decoding, values);
    free(decoding->edges);
    free(decoding->steps);
    return met;
}

/* Where to begin and to end, in the text. */
static void set_bounds(struct decoding *decoding, const struct function_place *place)
{
    uint64_t base = decoding->text->address;

    decoding->strict = true;
    decoding->place = place->address - base;
    decoding->start = decoding->place > NEAR ? decoding->place - NEAR : 0;
    decoding->end = decoding->place + BEHIND;
    if (place->end != 0) {
        decoding->strict = false;
        decoding->start = place->start > base ? place->start - base : 0;
        decoding->end = place->end - base;
    }
    if (decoding->place - decoding->start > FARTHEST)
        decoding->start = decoding->place - FARTHEST;
    if (decoding->end - decoding->place > FARTHEST)
        decoding->end = decoding->place + FARTHEST;
    if (decoding->end > decoding->text->size)
        decoding->end = decoding->text->size;
}

bool values_at(const struct image *image, struct disasm *disasm, const struct function_place *place,
               struct values *values)
{
    size_t width = image->arch->code->width;
    struct text text;

    memset(values, 0, sizeof(*values));
    if (!text_find(image, place->address, &text))
        return false;
    struct decoding decoding = {.disasm = disasm, .text = &text.bytes, .width = width};
    set_bounds(&decoding, place);
    if ((decoding.place - decoding.start) % width != 0)
        return false;
    uint64_t offset = text.offset + decoding.start;
    uint64_t size = decoding.end - decoding.start;
    if (!image_load(image, offset, size, NULL))
        return false;
    bool met = decode_loaded(&decoding, place->end != 0, values);
    image_release(image, offset, size);
    return met;
}

bool values_get(const struct values *values, int which, uint64_t *value)
{
    if (which == ARCH_NOWHERE || (values->known >> which & 1) == 0)
        return false;
    *value = values->of[which];
    return true;
}

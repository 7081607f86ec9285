/* SPDX-License-Identifier: MIT
 *
 * One function is decoded once, then its steps are gone through until nothing changes: where ways
 * meet, only what they agree on stays known. A way back is believed at first to agree with
 * everything, and is met with what it brings when its jump was reached.
 */
#include "scan/values.h"

#include "scan/text.h"

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
    const struct image *image;
    struct disasm *disasm;
    struct text stretch;
    uint64_t loaded_from; /* what is held of the file: offset and size */
    uint64_t loaded;
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
                                .calls = ARCH_NOWHERE,
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

/* The same question without the rest, for bytes that are most likely no instruction. */
static bool begins_at_place(const struct decoding *decoding)
{
    const struct arch_text *text = decoding->text;
    size_t at = decoding->start;

    while (at < decoding->place) {
        size_t size =
            disasm_size(decoding->disasm, text->code + at, decoding->end - at, text->address + at);
        at += size != 0 ? size : decoding->width;
    }
    return at == decoding->place;
}

/* --- following -------------------------------------------------------------------------------- */

/* Returns whether that changed anything. */
static bool meet(struct values *values, const struct values *other)
{
    uint64_t known = values->known & other->known;
    uint64_t loaded = values->loaded & other->loaded;
    uint64_t differ = 0;

    for (size_t i = 0; i < ARCH_VALUES; i++)
        if (values->of[i] != other->of[i])
            differ |= (uint64_t)1 << i;
    bool changed = (known & ~differ) != values->known || (loaded & ~differ) != values->loaded;
    values->known = known & ~differ;
    values->loaded = loaded & ~differ;
    return changed;
}

static bool has(uint64_t set, int which)
{
    return (set >> which & 1) != 0;
}

static void apply(const struct disasm_step *step, struct values *values)
{
    bool known = step->to != ARCH_NOWHERE;
    bool loaded = false;
    uint64_t value = step->add;

    if (known && step->from != ARCH_NOWHERE) {
        known = has(values->known, step->from);
        loaded = has(values->loaded, step->from) && step->keep == UINT64_MAX && value == 0 &&
                 !step->loads;
        value += values->of[step->from] & step->keep;
    }
    values->known &= ~step->lost;
    values->loaded &= ~step->lost;
    if (step->to == ARCH_NOWHERE)
        return;
    uint64_t bit = (uint64_t)1 << step->to;
    values->known &= ~bit;
    values->loaded &= ~bit;
    values->of[step->to] = value;
    if (known && !step->loads)
        values->known |= bit;
    else if (loaded || known)
        values->loaded |= bit;
}

/* What is known on the way, and whether there is one: behind a jump there is not, until another
 * leads there that was reached. */
struct way {
    struct values values;
    bool open;
    bool ended; /* by a jump right before */
};

/* The jumps that lead to `at`. What no way leads to, not even one that was not reached yet, is
 * entered in a manner that cannot be seen, by a table of addresses, unless it is padding. */
static void join(const struct decoding *decoding, size_t at, bool padding, size_t *next,
                 struct way *way)
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
            *way = (struct way){*edge->values, true, false};
    }
    if (way->ended && *next == first && !padding)
        *way = (struct way){.open = true};
    way->ended = way->ended && *next == first;
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

/* Once through; `look` is shown what is known in front of each instruction that is reached. Returns
 * whether another round would differ. */
typedef void looker(void *context, size_t at, const struct disasm_step *step,
                    const struct values *values);

static bool go_through(const struct decoding *decoding, looker *look, void *context)
{
    struct way way = {.open = true};
    bool changed = false;
    size_t at = decoding->start;
    size_t next = 0;
    size_t target;

    for (size_t i = 0; i < decoding->step_count; at += decoding->steps[i++].size) {
        const struct disasm_step *step = &decoding->steps[i];
        join(decoding, at, step->padding, &next, &way);
        if (!way.open)
            continue;
        look(context, at, step, &way.values);
        apply(step, &way.values);
        if (is_edge(decoding, step, &target))
            changed |= leave(decoding, at, target, &way.values);
        if (step->flow == DISASM_JUMP || step->flow == DISASM_STOP)
            way = (struct way){.ended = true};
    }
    return changed;
}

static void look_away(void *context, size_t at, const struct disasm_step *step,
                      const struct values *values)
{
    (void)context;
    (void)at;
    (void)step;
    (void)values;
}

/* Goes through until nothing changes, then once more for `look`. */
static void follow(const struct decoding *decoding, looker *look, void *context)
{
    bool changed = !decoding->blind;

    for (int round = 0; changed && round < MOST_ROUNDS; round++)
        changed = go_through(decoding, look_away, NULL);
    if (!changed && !decoding->blind)
        go_through(decoding, look, context);
    for (size_t i = 0; i < decoding->edge_count; i++)
        free(decoding->edges[i].values);
}

/* The values in front of one instruction. */
struct moment {
    size_t at;
    struct values *values;
};

static void catch (void *context, size_t at, const struct disasm_step *step,
                   const struct values *values)
{
    const struct moment *moment = context;

    (void)step;
    if (at == moment->at)
        *moment->values = *values;
}

/* --- finding the beginning -------------------------------------------------------------------- */

static bool decode_function(struct decoding *decoding, struct values *values)
{
    struct moment moment = {decoding->place, values};

    if (!begins_at_place(decoding) || !decode(decoding))
        return false;
    memset(values, 0, sizeof(*values));
    follow(decoding, catch, &moment);
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

/* Loads the code and makes room for what it decodes to; decoding_finish() in either case. */
static bool decoding_init(struct decoding *decoding, const struct image *image,
                          struct disasm *disasm, const struct function_place *place)
{
    memset(decoding, 0, sizeof(*decoding));
    decoding->image = image;
    decoding->disasm = disasm;
    decoding->width = image->arch->code->width;
    if (!text_find(image, place->address, &decoding->stretch))
        return false;
    decoding->text = &decoding->stretch.bytes;
    set_bounds(decoding, place);
    if ((decoding->place - decoding->start) % decoding->width != 0)
        return false;
    size_t size = decoding->end - decoding->start;
    decoding->edges = calloc(MOST_JUMPS, sizeof(*decoding->edges));
    decoding->steps = malloc((size / decoding->width + 1) * sizeof(*decoding->steps));
    if (decoding->edges == NULL || decoding->steps == NULL ||
        !image_load(image, decoding->stretch.offset + decoding->start, size, NULL))
        return false;
    decoding->loaded_from = decoding->stretch.offset + decoding->start;
    decoding->loaded = size;
    return true;
}

static void decoding_finish(struct decoding *decoding)
{
    image_release(decoding->image, decoding->loaded_from, decoding->loaded);
    free(decoding->edges);
    free(decoding->steps);
}

bool values_at(const struct image *image, struct disasm *disasm, const struct function_place *place,
               struct values *values)
{
    struct decoding decoding;
    bool met = false;

    memset(values, 0, sizeof(*values));
    if (decoding_init(&decoding, image, disasm, place))
        met = place->end != 0 ? decode_function(&decoding, values) : decode_near(&decoding, values);
    decoding_finish(&decoding);
    return met;
}

/* Calls of what one word holds. */
struct calls {
    uint64_t base; /* address of the text */
    uint64_t slot;
    values_visitor *visit;
    void *context;
    bool failed;
};

static void look_for_call(void *context, size_t at, const struct disasm_step *step,
                          const struct values *values)
{
    struct calls *calls = context;

    if (calls->failed || step->calls == ARCH_NOWHERE || !has(values->loaded, step->calls) ||
        values->of[step->calls] != calls->slot)
        return;
    calls->failed = !calls->visit(calls->context, calls->base + at, values);
}

bool values_calls(const struct image *image, struct disasm *disasm,
                  const struct function_place *place, uint64_t slot, values_visitor *visit,
                  void *context)
{
    struct decoding decoding;
    struct calls calls = {.slot = slot, .visit = visit, .context = context};

    if (place->end != 0 && decoding_init(&decoding, image, disasm, place)) {
        calls.base = decoding.text->address;
        if (decode(&decoding))
            follow(&decoding, look_for_call, &calls);
    }
    if (place->end != 0)
        decoding_finish(&decoding);
    return !calls.failed;
}

bool values_get(const struct values *values, int which, uint64_t *value)
{
    if (which == ARCH_NOWHERE || (values->known >> which & 1) == 0)
        return false;
    *value = values->of[which];
    return true;
}

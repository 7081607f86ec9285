/* SPDX-License-Identifier: MIT
 *
 * Matching bytes.
 */
#include "arch/x86.h"

#include <string.h>

/* First bytes of the shapes and of the traps of both machines. */
static const bool interesting[256] = {
    [0x0f] = true, /* jcc, syscall, sysenter */
    [0x48] = true, /* REX.W in front of mov and lea */
    [0x4c] = true, /* REX.WR */
    [0x65] = true, /* call gs:0x10 */
    [0x8b] = true, /* mov */
    [0x8d] = true, /* lea */
    [0xcd] = true, /* int */
    [0xe8] = true, /* call */
    [0xe9] = true, /* jmp */
    [0xff] = true, /* call and jmp through memory */
};

size_t x86_next(const struct arch_text *text, size_t at, size_t end)
{
    while (at < end && !interesting[text->code[at]])
        at++;
    return at;
}

static bool shape_matches(const struct x86_shape *shape, const struct arch_text *text, size_t at)
{
    if (text->size - at < shape->length + sizeof(int32_t))
        return false;
    for (size_t i = 0; i < shape->length; i++)
        if ((text->code[at + i] & shape->mask[i]) != shape->value[i])
            return false;
    return true;
}

static uint64_t base_of(const struct x86_shape *shape, const struct arch_text *text, size_t at)
{
    if (shape->base == X86_NEXT)
        return text->address + at + shape->length + sizeof(int32_t);
    return shape->base == X86_GOT ? text->got : 0;
}

static const struct arch_trap *find_trap(const struct arch_text *text, size_t at,
                                         const struct arch_trap *traps)
{
    for (const struct arch_trap *trap = traps; trap->length != 0; trap++)
        if (text->size - at >= trap->length &&
            memcmp(text->code + at, trap->bytes, trap->length) == 0)
            return trap;
    return NULL;
}

bool x86_reference(const struct arch_text *text, size_t at, const struct x86_shape *shapes,
                   const struct arch_trap *traps, struct arch_reference *out)
{
    int32_t displacement;

    *out = (struct arch_reference){.start = at, .trap = find_trap(text, at, traps)};
    if (out->trap != NULL)
        return true;
    for (const struct x86_shape *shape = shapes; shape->length != 0; shape++) {
        if (!shape_matches(shape, text, at))
            continue;
        memcpy(&displacement, text->code + at + shape->length, sizeof(displacement));
        out->kind = shape->kind;
        out->slot = shape->slot;
        out->target = base_of(shape, text, at) + (uint64_t)(int64_t)displacement;
        return true;
    }
    return false;
}

/* endbr64, endbr32: the last byte alone differs. */
static bool is_landing_pad(const uint8_t *code)
{
    return code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e && (code[3] & 0xfe) == 0xfa;
}

size_t x86_stub_start(const struct arch_text *text, const struct arch_reference *ref)
{
    size_t start = ref->start;

    if (start > 0 && text->code[start - 1] == 0xf2) /* bnd */
        start--;
    if (start >= 4 && is_landing_pad(text->code + start - 4))
        start -= 4;
    return start;
}

/* Lazy stubs go on with `push index`, others with padding, on a multiple of eight. */
bool x86_stub_like(const struct arch_text *text, const struct arch_reference *ref)
{
    size_t next = ref->start + 6;

    if (x86_stub_start(text, ref) % 8 != 0)
        return false;
    if (next + 2 > text->size)
        return true;
    uint8_t after = text->code[next];
    return after == 0x68 || after == 0x66 || after == 0x0f || after == 0xcc;
}

const struct arch_mnemonic x86_mnemonics[] = {
    {"call", "call"}, {"j", "jump"},   {"bnd jmp", "jump"},
    {"mov", "load"},  {"lea", "load"}, {NULL, NULL},
};

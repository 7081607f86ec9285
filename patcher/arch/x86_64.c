/* SPDX-License-Identifier: MIT
 *
 * x86-64 (System V psABI): every reference to an import ends in a 32-bit displacement from the next
 * instruction, so code is searched by displacement, and the opcode before it is looked at.
 */
#include "arch/arch.h"

#include <elf.h>
#include <string.h>

static const struct arch_relocation relocations[] = {
    {R_X86_64_JUMP_SLOT, "R_X86_64_JUMP_SLOT", "JUMP_SLOT"},
    {R_X86_64_GLOB_DAT, "R_X86_64_GLOB_DAT", "GLOB_DAT"},
    {R_X86_64_64, "R_X86_64_64", "ABS64"},
    {R_X86_64_COPY, "R_X86_64_COPY", NULL},
    {R_X86_64_PC32, "R_X86_64_PC32", NULL},
    {R_X86_64_PLT32, "R_X86_64_PLT32", NULL},
    {R_X86_64_32, "R_X86_64_32", NULL},
    {R_X86_64_32S, "R_X86_64_32S", NULL},
    {R_X86_64_PC64, "R_X86_64_PC64", NULL},
    {R_X86_64_SIZE64, "R_X86_64_SIZE64", NULL},
    {R_X86_64_DTPMOD64, "R_X86_64_DTPMOD64", NULL},
    {R_X86_64_DTPOFF64, "R_X86_64_DTPOFF64", NULL},
    {R_X86_64_TPOFF64, "R_X86_64_TPOFF64", NULL},
    {R_X86_64_TLSDESC, "R_X86_64_TLSDESC", NULL},
    {0, NULL, NULL},
};

/* The bytes in front of the displacement: (byte & mask) == value for each of `length`. */
struct shape {
    uint8_t length;
    uint8_t mask[3];
    uint8_t value[3];
    bool slot;
    const char *kind;
};

/* Longest first: without its REX prefix a load would still decode, as a 32-bit one. */
static const struct shape shapes[] = {
    {3, {0xfb, 0xff, 0xc7}, {0x48, 0x8b, 0x05}, true, "load"},  /* mov reg, [rip + slot] */
    {3, {0xfb, 0xff, 0xc7}, {0x48, 0x8d, 0x05}, false, "load"}, /* lea reg, [rip + stub] */
    {2, {0xff, 0xff}, {0xff, 0x15}, true, "call"},              /* call [rip + slot] */
    {2, {0xff, 0xff}, {0xff, 0x25}, true, "jump"},              /* jmp [rip + slot] */
    {2, {0xff, 0xf0}, {0x0f, 0x80}, false, "jump"},             /* jcc stub */
    {1, {0xff}, {0xe8}, false, "call"},                         /* call stub */
    {1, {0xff}, {0xe9}, false, "jump"},                         /* jmp stub */
};

static bool shape_matches(const struct shape *shape, const uint8_t *code, size_t at)
{
    if (at < shape->length)
        return false;
    for (size_t i = 0; i < shape->length; i++)
        if ((code[at - shape->length + i] & shape->mask[i]) != shape->value[i])
            return false;
    return true;
}

static bool reference(const uint8_t *code, size_t size, size_t at, uint64_t address,
                      struct arch_reference *out)
{
    int32_t displacement;

    if (at == 0 || size - at < sizeof(displacement))
        return false;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (!shape_matches(&shapes[i], code, at))
            continue;
        memcpy(&displacement, code + at, sizeof(displacement));
        out->start = at - shapes[i].length;
        out->kind = shapes[i].kind;
        out->slot = shapes[i].slot;
        out->target = address + at + sizeof(displacement) + (uint64_t)(int64_t)displacement;
        return true;
    }
    return false;
}

static const uint8_t endbr64[4] = {0xf3, 0x0f, 0x1e, 0xfa};

static size_t stub_start(const uint8_t *code, const struct arch_reference *ref)
{
    size_t start = ref->start;

    if (start > 0 && code[start - 1] == 0xf2) /* bnd */
        start--;
    if (start >= sizeof(endbr64) &&
        memcmp(code + start - sizeof(endbr64), endbr64, sizeof(endbr64)) == 0)
        start -= sizeof(endbr64);
    return start;
}

/* Lazy stubs go on with `push index`, others with padding, on a multiple of eight. */
static bool stub_like(const uint8_t *code, size_t size, const struct arch_reference *ref)
{
    size_t next = ref->start + 6;

    if (stub_start(code, ref) % 8 != 0)
        return false;
    if (next + 2 > size)
        return true;
    return code[next] == 0x68 || code[next] == 0x66 || code[next] == 0x0f || code[next] == 0xcc;
}

static const struct arch_mnemonic mnemonics[] = {
    {"call", "call"}, {"j", "jump"},   {"bnd jmp", "jump"},
    {"mov", "load"},  {"lea", "load"}, {NULL, NULL},
};

static const struct arch_code code = {
    .step = 1,
    .reference = reference,
    .stub_start = stub_start,
    .stub_like = stub_like,
    .mnemonics = mnemonics,
};

const struct arch arch_x86_64 = {
    .machine = EM_X86_64,
    .class = ELFCLASS64,
    .orders = ARCH_ORDER(ELFDATA2LSB),
    .hash_entry = 4,
    .name = "x86-64",
    .relocations = relocations,
    .code = &code,
};

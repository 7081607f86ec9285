/* SPDX-License-Identifier: MIT
 *
 * AArch64 (AAELF64): branches carry a 26-bit word distance; addresses are made by ADRP (the page)
 * and an LDR or ADD that has the rest.
 *
 *     adrp x16, page ; ldr x17, [x16, #rest] ; add x16, x16, #rest ; br x17      a PLT stub
 *     adrp xN, page ; ... ; ldr xT, [xN, #rest] ; ... ; blr xT                   -fno-plt
 */
#include "arch/arch.h"

#include <elf.h>
#include <string.h>

static const struct arch_relocation relocations[] = {
    {R_AARCH64_JUMP_SLOT, "R_AARCH64_JUMP_SLOT", "JUMP_SLOT"},
    {R_AARCH64_GLOB_DAT, "R_AARCH64_GLOB_DAT", "GLOB_DAT"},
    {R_AARCH64_ABS64, "R_AARCH64_ABS64", "ABS64"},
    {R_AARCH64_COPY, "R_AARCH64_COPY", NULL},
    {R_AARCH64_ABS32, "R_AARCH64_ABS32", NULL},
    {R_AARCH64_PREL64, "R_AARCH64_PREL64", NULL},
    {R_AARCH64_PREL32, "R_AARCH64_PREL32", NULL},
    {R_AARCH64_CALL26, "R_AARCH64_CALL26", NULL},
    {R_AARCH64_JUMP26, "R_AARCH64_JUMP26", NULL},
    {R_AARCH64_TLS_DTPMOD, "R_AARCH64_TLS_DTPMOD", NULL},
    {R_AARCH64_TLS_DTPREL, "R_AARCH64_TLS_DTPREL", NULL},
    {R_AARCH64_TLS_TPREL, "R_AARCH64_TLS_TPREL", NULL},
    {R_AARCH64_TLSDESC, "R_AARCH64_TLSDESC", NULL},
    {0, NULL, NULL},
};

enum {
    WIDTH = 4,
    BEHIND = 16, /* instructions between ADRP and its LDR, as far as compilers spread them */
    AHEAD = 16,  /* instructions between LDR and its BLR */
};

static uint32_t word(const uint8_t *code, size_t at)
{
    uint32_t value;

    memcpy(&value, code + at, sizeof(value));
    return value;
}

static uint64_t sign_extend(uint64_t value, unsigned bits)
{
    uint64_t top = (uint64_t)1 << (bits - 1);

    return (value ^ top) - top;
}

/* The page that the nearest ADRP before `at` puts into `reg`. */
static bool page_of(const uint8_t *code, size_t at, uint64_t address, uint32_t reg, uint64_t *page)
{
    for (size_t i = 1; i <= BEHIND && i * WIDTH <= at; i++) {
        size_t place = at - i * WIDTH;
        uint32_t w = word(code, place);
        if ((w & 0x9f000000) != 0x90000000 || (w & 31) != reg)
            continue;
        uint64_t pages = (uint64_t)((w >> 5) & 0x7ffff) << 2 | ((w >> 29) & 3);
        *page = ((address + place) & ~(uint64_t)0xfff) + (sign_extend(pages, 21) << 12);
        return true;
    }
    return false;
}

/* What becomes of the address that the LDR at `at` put into `reg`. */
static void follow_load(const uint8_t *code, size_t size, size_t at, uint32_t reg,
                        struct arch_reference *out)
{
    for (size_t i = 1; i <= AHEAD && size - at >= (i + 1) * WIDTH; i++) {
        uint32_t w = word(code, at + i * WIDTH);
        bool call = (w & 0xfffffc1f) == 0xd63f0000;
        bool jump = (w & 0xfffffc1f) == 0xd61f0000;
        if ((call || jump) && ((w >> 5) & 31) == reg) {
            out->start = at + i * WIDTH;
            out->kind = call ? "call" : "jump";
            return;
        }
        /* any other branch or return ends the run of straight code */
        if (call || jump || (w & 0x7c000000) == 0x14000000 || (w & 0xfffffc1f) == 0xd65f0000)
            return;
        if ((w & 0xffc00000) == 0xf9400000 && (w & 31) == reg)
            return;
    }
}

static bool reference(const uint8_t *code, size_t size, size_t at, uint64_t address,
                      struct arch_reference *out)
{
    uint64_t page;

    if (size - at < WIDTH)
        return false;
    uint32_t w = word(code, at);
    uint32_t base = (w >> 5) & 31;
    uint64_t rest = (w >> 10) & 0xfff;

    out->start = at;
    if ((w & 0x7c000000) == 0x14000000) { /* b, bl */
        out->kind = (w & 0x80000000) != 0 ? "call" : "jump";
        out->slot = false;
        out->target = address + at + (sign_extend(w & 0x3ffffff, 26) << 2);
        return true;
    }
    if ((w & 0xffc00000) == 0xf9400000 && page_of(code, at, address, base, &page)) { /* ldr */
        out->kind = "load";
        out->slot = true;
        out->target = page + rest * 8;
        follow_load(code, size, at, w & 31, out);
        return true;
    }
    if ((w & 0xffc00000) == 0x91000000 && page_of(code, at, address, base, &page)) { /* add */
        out->kind = "load";
        out->slot = false;
        out->target = page + rest;
        return true;
    }
    return false;
}

/* `ref` is the closing BR; ADRP stands three before it, perhaps behind a landing pad (bti c). */
static size_t stub_start(const uint8_t *code, const struct arch_reference *ref)
{
    size_t start = ref->start;

    for (size_t i = 1; i <= 4 && i * WIDTH <= ref->start; i++) {
        size_t place = ref->start - i * WIDTH;
        if ((word(code, place) & 0x9f00001f) == 0x90000010) {
            start = place;
            break;
        }
    }
    if (start >= WIDTH && word(code, start - WIDTH) == 0xd503245f)
        start -= WIDTH;
    return start;
}

static bool stub_like(const uint8_t *code, size_t size, const struct arch_reference *ref)
{
    (void)size;
    return word(code, ref->start) == 0xd61f0220 && stub_start(code, ref) != ref->start; /* br x17 */
}

static const struct arch_mnemonic mnemonics[] = {
    {"bl", "call"}, {"b", "jump"}, {"ldr", "load"}, {"add", "load"}, {NULL, NULL},
};

static const struct arch_code code = {
    .step = WIDTH,
    .reference = reference,
    .stub_start = stub_start,
    .stub_like = stub_like,
    .mnemonics = mnemonics,
};

const struct arch arch_aarch64 = {
    .machine = EM_AARCH64,
    .class = ELFCLASS64,
    .orders = ARCH_ORDER(ELFDATA2LSB) | ARCH_ORDER(ELFDATA2MSB),
    .hash_entry = 4,
    .name = "AArch64",
    .relocations = relocations,
    .code = &code,
};

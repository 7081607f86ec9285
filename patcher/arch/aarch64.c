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
static bool page_of(const struct arch_text *text, size_t at, uint32_t reg, uint64_t *page)
{
    for (size_t i = 1; i <= BEHIND && i * WIDTH <= at; i++) {
        size_t place = at - i * WIDTH;
        uint32_t w = word(text->code, place);
        if ((w & 0x9f000000) != 0x90000000 || (w & 31) != reg)
            continue;
        uint64_t pages = (uint64_t)((w >> 5) & 0x7ffff) << 2 | ((w >> 29) & 3);
        *page = ((text->address + place) & ~(uint64_t)0xfff) + (sign_extend(pages, 21) << 12);
        return true;
    }
    return false;
}

/* What becomes of the address that the LDR at `at` put into `reg`. */
static void follow_load(const struct arch_text *text, size_t at, uint32_t reg,
                        struct arch_reference *out)
{
    for (size_t i = 1; i <= AHEAD && text->size - at >= (i + 1) * WIDTH; i++) {
        uint32_t w = word(text->code, at + i * WIDTH);
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

static const struct arch_trap svc = {{0x01, 0x00, 0x00, 0xd4}, WIDTH, "svc #0", SYSCALLS_GENERIC};
enum { SVC = 0xd4000001u };

static bool is_branch(uint32_t w) /* b, bl */
{
    return (w & 0x7c000000) == 0x14000000;
}

static bool is_load(uint32_t w) /* ldr xT, [xN, #rest] */
{
    return (w & 0xffc00000) == 0xf9400000;
}

static bool is_add(uint32_t w) /* add xD, xN, #rest */
{
    return (w & 0xffc00000) == 0x91000000;
}

static size_t next(const struct arch_text *text, size_t at, size_t end)
{
    for (; at < end && text->size - at >= WIDTH; at += WIDTH) {
        uint32_t w = word(text->code, at);
        if (is_branch(w) || is_load(w) || is_add(w) || w == SVC)
            return at;
    }
    return end;
}

static bool reference(const struct arch_text *text, size_t at, struct arch_reference *out)
{
    uint64_t page;

    if (text->size - at < WIDTH)
        return false;
    uint32_t w = word(text->code, at);
    uint32_t base = (w >> 5) & 31;
    uint64_t rest = (w >> 10) & 0xfff;

    *out = (struct arch_reference){.start = at};
    if (w == SVC) {
        out->trap = &svc;
        return true;
    }
    if (is_branch(w)) {
        out->kind = (w & 0x80000000) != 0 ? "call" : "jump";
        out->target = text->address + at + (sign_extend(w & 0x3ffffff, 26) << 2);
        return true;
    }
    if (is_load(w) && page_of(text, at, base, &page)) {
        out->kind = "load";
        out->slot = true;
        out->target = page + rest * 8;
        follow_load(text, at, w & 31, out);
        return true;
    }
    if (is_add(w) && page_of(text, at, base, &page)) {
        out->kind = "load";
        out->target = page + rest;
        return true;
    }
    return false;
}

/* `ref` is the closing BR; ADRP stands three before it, perhaps behind a landing pad (bti c). */
static size_t stub_start(const struct arch_text *text, const struct arch_reference *ref)
{
    size_t start = ref->start;

    for (size_t i = 1; i <= 4 && i * WIDTH <= ref->start; i++) {
        size_t place = ref->start - i * WIDTH;
        if ((word(text->code, place) & 0x9f00001f) == 0x90000010) {
            start = place;
            break;
        }
    }
    if (start >= WIDTH && word(text->code, start - WIDTH) == 0xd503245f)
        start -= WIDTH;
    return start;
}

static bool stub_like(const struct arch_text *text, const struct arch_reference *ref)
{
    return word(text->code, ref->start) == 0xd61f0220 && /* br x17 */
           stub_start(text, ref) != ref->start;
}

static const struct arch_mnemonic mnemonics[] = {
    {"bl", "call"}, {"b", "jump"}, {"ldr", "load"}, {"add", "load"}, {NULL, NULL},
};

static const struct arch_code code = {
    .width = WIDTH,
    .next = next,
    .reference = reference,
    .stub_start = stub_start,
    .stub_like = stub_like,
    .mnemonics = mnemonics,
    .number = 8,         /* x8 */
    .arguments = {0, 1}, /* x0, x1 */
    .table = SYSCALLS_GENERIC,
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

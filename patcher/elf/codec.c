/* SPDX-License-Identifier: MIT
 *
 * The members of each record as a table: <elf.h> knows where they stand in either class.
 */
#include "elf/codec.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");

enum { CLASSES = 2, MOST_MEMBERS = 16 };

/* A member in memory and, by class, in the file. */
struct member {
    size_t offset;
    size_t width;
    struct codec_place places[CLASSES];
    bool is_signed;
};

#define SIZE(type, name) sizeof(((type *)0)->name)
#define MEMBER_OF(record64, record32, name, is_signed)                                             \
    {                                                                                              \
        offsetof(record64, name), SIZE(record64, name),                                            \
            {{offsetof(record32, name), SIZE(record32, name)},                                     \
             {offsetof(record64, name), SIZE(record64, name)}},                                    \
            is_signed                                                                              \
    }
#define MEMBER(record, name) MEMBER_OF(Elf64_##record, Elf32_##record, name, false)
#define SIGNED(record, name) MEMBER_OF(Elf64_##record, Elf32_##record, name, true)

/* Ended by width == 0. e_ident is the same in all. */
static const struct member members[CODEC_RECORDS][MOST_MEMBERS] = {
    [CODEC_HEADER] = {MEMBER(Ehdr, e_type), MEMBER(Ehdr, e_machine), MEMBER(Ehdr, e_version),
                      MEMBER(Ehdr, e_entry), MEMBER(Ehdr, e_phoff), MEMBER(Ehdr, e_shoff),
                      MEMBER(Ehdr, e_flags), MEMBER(Ehdr, e_ehsize), MEMBER(Ehdr, e_phentsize),
                      MEMBER(Ehdr, e_phnum), MEMBER(Ehdr, e_shentsize), MEMBER(Ehdr, e_shnum),
                      MEMBER(Ehdr, e_shstrndx)},
    [CODEC_SEGMENT] = {MEMBER(Phdr, p_type), MEMBER(Phdr, p_flags), MEMBER(Phdr, p_offset),
                       MEMBER(Phdr, p_vaddr), MEMBER(Phdr, p_paddr), MEMBER(Phdr, p_filesz),
                       MEMBER(Phdr, p_memsz), MEMBER(Phdr, p_align)},
    [CODEC_SECTION] = {MEMBER(Shdr, sh_name), MEMBER(Shdr, sh_type), MEMBER(Shdr, sh_flags),
                       MEMBER(Shdr, sh_addr), MEMBER(Shdr, sh_offset), MEMBER(Shdr, sh_size),
                       MEMBER(Shdr, sh_link), MEMBER(Shdr, sh_info), MEMBER(Shdr, sh_addralign),
                       MEMBER(Shdr, sh_entsize)},
    [CODEC_SYMBOL] = {MEMBER(Sym, st_name), MEMBER(Sym, st_info), MEMBER(Sym, st_other),
                      MEMBER(Sym, st_shndx), MEMBER(Sym, st_value), MEMBER(Sym, st_size)},
    [CODEC_DYNAMIC] = {SIGNED(Dyn, d_tag), MEMBER(Dyn, d_un.d_val)},
    [CODEC_REL] = {MEMBER(Rel, r_offset), MEMBER(Rel, r_info)},
    [CODEC_RELA] = {MEMBER(Rela, r_offset), MEMBER(Rela, r_info), SIGNED(Rela, r_addend)},
};
_Static_assert(offsetof(Elf64_Rela, r_info) == offsetof(Elf64_Rel, r_info),
               "an Elf64_Rel is read into the beginning of an Elf64_Rela");

#define PLACES(record, name)                                                                       \
    {                                                                                              \
        {offsetof(Elf32_##record, name), SIZE(Elf32_##record, name)},                              \
            {offsetof(Elf64_##record, name), SIZE(Elf64_##record, name)},                          \
    }

static const struct codec_place places[CODEC_MEMBERS][CLASSES] = {
    [CODEC_E_PHOFF] = PLACES(Ehdr, e_phoff),
    [CODEC_E_SHOFF] = PLACES(Ehdr, e_shoff),
    [CODEC_E_PHENTSIZE] = PLACES(Ehdr, e_phentsize),
    [CODEC_E_PHNUM] = PLACES(Ehdr, e_phnum),
    [CODEC_E_SHENTSIZE] = PLACES(Ehdr, e_shentsize),
    [CODEC_E_SHNUM] = PLACES(Ehdr, e_shnum),
    [CODEC_E_SHSTRNDX] = PLACES(Ehdr, e_shstrndx),
    [CODEC_P_TYPE] = PLACES(Phdr, p_type),
    [CODEC_P_FLAGS] = PLACES(Phdr, p_flags),
    [CODEC_P_OFFSET] = PLACES(Phdr, p_offset),
    [CODEC_P_VADDR] = PLACES(Phdr, p_vaddr),
    [CODEC_P_PADDR] = PLACES(Phdr, p_paddr),
    [CODEC_P_FILESZ] = PLACES(Phdr, p_filesz),
    [CODEC_P_MEMSZ] = PLACES(Phdr, p_memsz),
    [CODEC_P_ALIGN] = PLACES(Phdr, p_align),
    [CODEC_SH_ADDR] = PLACES(Shdr, sh_addr),
    [CODEC_SH_OFFSET] = PLACES(Shdr, sh_offset),
    [CODEC_SH_SIZE] = PLACES(Shdr, sh_size),
    [CODEC_ST_NAME] = PLACES(Sym, st_name),
    [CODEC_ST_VALUE] = PLACES(Sym, st_value),
    [CODEC_D_TAG] = PLACES(Dyn, d_tag),
    [CODEC_D_VAL] = PLACES(Dyn, d_un.d_val),
};

#define SIZES(bits)                                                                                \
    {                                                                                              \
        [CODEC_HEADER] = sizeof(Elf##bits##_Ehdr), [CODEC_SEGMENT] = sizeof(Elf##bits##_Phdr),     \
        [CODEC_SECTION] = sizeof(Elf##bits##_Shdr), [CODEC_SYMBOL] = sizeof(Elf##bits##_Sym),      \
        [CODEC_DYNAMIC] = sizeof(Elf##bits##_Dyn), [CODEC_REL] = sizeof(Elf##bits##_Rel),          \
        [CODEC_RELA] = sizeof(Elf##bits##_Rela),                                                   \
    }

static const struct codec codecs[] = {
    {ELFCLASS64, ELFDATA2LSB, true, 8, UINT64_MAX, SIZES(64)},
    {ELFCLASS64, ELFDATA2MSB, false, 8, UINT64_MAX, SIZES(64)},
    {ELFCLASS32, ELFDATA2LSB, false, 4, UINT32_MAX, SIZES(32)},
    {ELFCLASS32, ELFDATA2MSB, false, 4, UINT32_MAX, SIZES(32)},
};

/* Of what they are read into. */
static const size_t memory_sizes[CODEC_RECORDS] = {
    [CODEC_HEADER] = sizeof(Elf64_Ehdr),  [CODEC_SEGMENT] = sizeof(Elf64_Phdr),
    [CODEC_SECTION] = sizeof(Elf64_Shdr), [CODEC_SYMBOL] = sizeof(Elf64_Sym),
    [CODEC_DYNAMIC] = sizeof(Elf64_Dyn),  [CODEC_REL] = sizeof(Elf64_Rela),
    [CODEC_RELA] = sizeof(Elf64_Rela),
};

const struct codec *codec_find(unsigned char class, unsigned char order)
{
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
        if (codecs[i].class == class && codecs[i].order == order)
            return &codecs[i];
    return NULL;
}

uint64_t codec_number(const struct codec *codec, const uint8_t *bytes, size_t width)
{
    uint64_t value = 0;

    if (codec->order == ELFDATA2LSB) {
        memcpy(&value, bytes, width);
        return value;
    }
    for (size_t i = 0; i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}

void codec_put_number(const struct codec *codec, uint8_t *bytes, size_t width, uint64_t value)
{
    for (size_t i = 0; i < width; i++) {
        size_t place = codec->order == ELFDATA2LSB ? i : width - 1 - i;
        bytes[place] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t member_value(const struct codec *codec, const struct member *member,
                             const uint8_t *bytes)
{
    const struct codec_place *place = &member->places[codec->class - ELFCLASS32];
    uint64_t value = codec_number(codec, bytes + place->offset, place->width);

    return member->is_signed && place->width == 4 ? (uint64_t)(int64_t)(int32_t)value : value;
}

void codec_read(const struct codec *codec, enum codec_record record, const uint8_t *bytes, void *to)
{
    if (codec->plain) {
        memcpy(to, bytes, codec->sizes[record]);
        return;
    }
    if (record == CODEC_HEADER)
        memcpy(to, bytes, EI_NIDENT);
    for (const struct member *member = members[record]; member->width != 0; member++) {
        uint64_t value = member_value(codec, member, bytes);
        memcpy((uint8_t *)to + member->offset, &value, member->width);
    }
    if ((record == CODEC_REL || record == CODEC_RELA) && codec->class == ELFCLASS32) {
        Elf64_Rela *relocation = to;
        Elf32_Word info = (Elf32_Word)relocation->r_info;
        relocation->r_info = ELF64_R_INFO((uint64_t)ELF32_R_SYM(info), ELF32_R_TYPE(info));
    }
}

void codec_read_all(const struct codec *codec, enum codec_record record, const uint8_t *bytes,
                    size_t count, void *to)
{
    if (codec->plain && codec->sizes[record] == memory_sizes[record]) {
        memcpy(to, bytes, count * memory_sizes[record]);
        return;
    }
    memset(to, 0, count * memory_sizes[record]);
    for (size_t i = 0; i < count; i++)
        codec_read(codec, record, bytes + i * codec->sizes[record],
                   (uint8_t *)to + i * memory_sizes[record]);
}

struct codec_place codec_place(const struct codec *codec, enum codec_member member)
{
    return places[member][codec->class - ELFCLASS32];
}

/* SPDX-License-Identifier: MIT
 *
 * Records by hand, in each of the four ways to write them.
 */
#include "elf/codec.h"
#include "fixture.h"

#include <string.h>

static const struct codec *codec(unsigned char class, unsigned char order)
{
    const struct codec *found = codec_find(class, order);

    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(found->class, class);
    ck_assert_uint_eq(found->order, order);
    return found;
}

START_TEST(there_are_four_ways_and_no_more)
{
    for (unsigned char class = 0; class < 5; class ++)
        for (unsigned char order = 0; order < 5; order++)
            ck_assert_int_eq(codec_find(class, order) != NULL,
                             class >= 1 && class <= 2 && order >= 1 && order <= 2);
}
END_TEST

START_TEST(numbers_follow_the_order)
{
    static const uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const struct codec *little = codec(ELFCLASS64, ELFDATA2LSB);
    const struct codec *big = codec(ELFCLASS64, ELFDATA2MSB);

    ck_assert_uint_eq(codec_number(little, bytes, 1), 1);
    ck_assert_uint_eq(codec_number(little, bytes, 2), 0x0201);
    ck_assert_uint_eq(codec_number(big, bytes, 2), 0x0102);
    ck_assert_uint_eq(codec_number(little, bytes, 4), 0x04030201);
    ck_assert_uint_eq(codec_number(big, bytes, 4), 0x01020304);
    ck_assert_uint_eq(codec_number(little, bytes, 8), 0x0807060504030201);
    ck_assert_uint_eq(codec_number(big, bytes, 8), 0x0102030405060708);
}
END_TEST

START_TEST(numbers_are_read_as_they_were_written)
{
    static const size_t widths[] = {1, 2, 4, 8};

    for (unsigned char order = ELFDATA2LSB; order <= ELFDATA2MSB; order++) {
        for (size_t i = 0; i < 4; i++) {
            const struct codec *way = codec(ELFCLASS32, order);
            uint64_t value = 0xf1e2d3c4b5a69788 >> (64 - 8 * widths[i]);
            uint8_t bytes[10];
            memset(bytes, 0xaa, sizeof(bytes));
            codec_put_number(way, bytes + 1, widths[i], value);
            ck_assert_uint_eq(codec_number(way, bytes + 1, widths[i]), value);
            ck_assert_uint_eq(bytes[0], 0xaa);
            ck_assert_uint_eq(bytes[1 + widths[i]], 0xaa);
        }
    }
}
END_TEST

static void check_symbol(const struct codec *way, const uint8_t *bytes)
{
    Elf64_Sym symbol;

    codec_read(way, CODEC_SYMBOL, bytes, &symbol);
    ck_assert_uint_eq(symbol.st_name, 0x01020304);
    ck_assert_uint_eq(symbol.st_value, 0x11121314);
    ck_assert_uint_eq(symbol.st_size, 0x21222324);
    ck_assert_uint_eq(symbol.st_info, 0x31);
    ck_assert_uint_eq(symbol.st_other, 0x41);
    ck_assert_uint_eq(symbol.st_shndx, 0x5152);
}

/* The two classes have the members of a symbol in another succession. */
START_TEST(symbols_are_read_in_every_way)
{
    static const uint8_t little32[16] = {4,    3,    2,    1,    0x14, 0x13, 0x12, 0x11,
                                         0x24, 0x23, 0x22, 0x21, 0x31, 0x41, 0x52, 0x51};
    static const uint8_t big32[16] = {1,    2,    3,    4,    0x11, 0x12, 0x13, 0x14,
                                      0x21, 0x22, 0x23, 0x24, 0x31, 0x41, 0x51, 0x52};
    static const uint8_t little64[24] = {4,    3,    2, 1, 0x31, 0x41, 0x52, 0x51, 0x14, 0x13,
                                         0x12, 0x11, 0, 0, 0,    0,    0x24, 0x23, 0x22, 0x21};
    static const uint8_t big64[24] = {1, 2, 3, 4, 0x31, 0x41, 0x51, 0x52,
                                      0, 0, 0, 0, 0x11, 0x12, 0x13, 0x14,
                                      0, 0, 0, 0, 0x21, 0x22, 0x23, 0x24};

    check_symbol(codec(ELFCLASS32, ELFDATA2LSB), little32);
    check_symbol(codec(ELFCLASS32, ELFDATA2MSB), big32);
    check_symbol(codec(ELFCLASS64, ELFDATA2LSB), little64);
    check_symbol(codec(ELFCLASS64, ELFDATA2MSB), big64);
}
END_TEST

/* ELF32 has 24 bits for the symbol and 8 for the type, ELF64 32 for each. */
START_TEST(relocations_get_the_info_of_elf64)
{
    static const uint8_t big[12] = {0, 0, 0x20, 0x10, 0x12, 0x34, 0x56, 7, 0xff, 0xff, 0xff, 0xfc};
    Elf64_Rela relocation = {0};

    codec_read(codec(ELFCLASS32, ELFDATA2MSB), CODEC_RELA, big, &relocation);
    ck_assert_uint_eq(relocation.r_offset, 0x2010);
    ck_assert_uint_eq(ELF64_R_SYM(relocation.r_info), 0x123456);
    ck_assert_uint_eq(ELF64_R_TYPE(relocation.r_info), 7);
    ck_assert_int_eq(relocation.r_addend, -4);
    relocation = (Elf64_Rela){0};
    codec_read(codec(ELFCLASS32, ELFDATA2MSB), CODEC_REL, big, &relocation);
    ck_assert_uint_eq(ELF64_R_SYM(relocation.r_info), 0x123456);
    ck_assert_int_eq(relocation.r_addend, 0);
}
END_TEST

START_TEST(dynamic_entries_and_segments_of_elf32_are_widened)
{
    static const uint8_t dynamic[8] = {0x6f, 0xff, 0xff, 0xff, 0x80, 0, 0, 1};
    static const uint8_t segment[32] = {0, 0, 0, 1, 0, 0, 0x10, 0, 0x80, 0, 0x10, 0, 0, 0, 0, 0,
                                        0, 0, 2, 0, 0, 0, 3,    0, 0,    0, 0,    5, 0, 1, 0, 0};
    const struct codec *way = codec(ELFCLASS32, ELFDATA2MSB);
    Elf64_Dyn entry;
    Elf64_Phdr header;

    codec_read(way, CODEC_DYNAMIC, dynamic, &entry);
    ck_assert_int_eq(entry.d_tag, DT_VERNEEDNUM);
    ck_assert_uint_eq(entry.d_un.d_val, 0x80000001);
    codec_read(way, CODEC_SEGMENT, segment, &header);
    ck_assert_uint_eq(header.p_type, PT_LOAD);
    ck_assert_uint_eq(header.p_offset, 0x1000);
    ck_assert_uint_eq(header.p_vaddr, 0x80001000);
    ck_assert_uint_eq(header.p_filesz, 0x200);
    ck_assert_uint_eq(header.p_memsz, 0x300);
    ck_assert_uint_eq(header.p_flags, PF_R | PF_X);
    ck_assert_uint_eq(header.p_align, 0x10000);
}
END_TEST

START_TEST(members_stand_where_each_class_has_them)
{
    const struct codec *small = codec(ELFCLASS32, ELFDATA2MSB);
    const struct codec *large = codec(ELFCLASS64, ELFDATA2LSB);

    ck_assert_uint_eq(codec_place(small, CODEC_ST_VALUE).offset, 4);
    ck_assert_uint_eq(codec_place(small, CODEC_ST_VALUE).width, 4);
    ck_assert_uint_eq(codec_place(large, CODEC_ST_VALUE).offset, 8);
    ck_assert_uint_eq(codec_place(large, CODEC_ST_VALUE).width, 8);
    ck_assert_uint_eq(codec_place(small, CODEC_E_SHOFF).offset, 32);
    ck_assert_uint_eq(codec_place(large, CODEC_E_SHOFF).offset, 40);
    ck_assert_uint_eq(codec_place(small, CODEC_D_VAL).offset, 4);
    ck_assert_uint_eq(codec_place(large, CODEC_D_VAL).offset, 8);
    for (int member = 0; member < CODEC_MEMBERS; member++) {
        ck_assert_uint_ge(codec_place(small, (enum codec_member)member).width, 2);
        ck_assert_uint_ge(codec_place(large, (enum codec_member)member).width, 2);
    }
    ck_assert_uint_eq(small->sizes[CODEC_REL], 8);
    ck_assert_uint_eq(large->sizes[CODEC_RELA], 24);
}
END_TEST

START_TEST(many_records_are_read_as_one_by_one)
{
    enum { COUNT = 5 };
    uint8_t bytes[COUNT * sizeof(Elf64_Rela)];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (unsigned char class = ELFCLASS32; class <= ELFCLASS64; class ++)
        for (unsigned char order = ELFDATA2LSB; order <= ELFDATA2MSB; order++) {
            const struct codec *way = codec(class, order);
            Elf64_Rela relocations[COUNT];
            Elf64_Sym symbols[COUNT];
            codec_read_all(way, CODEC_SYMBOL, bytes, COUNT, symbols);
            for (size_t i = 0; i < COUNT; i++) {
                Elf64_Sym symbol = {0};
                codec_read(way, CODEC_SYMBOL, bytes + i * way->sizes[CODEC_SYMBOL], &symbol);
                ck_assert_mem_eq(&symbols[i], &symbol, sizeof(symbol));
            }
            for (enum codec_record record = CODEC_REL; record <= CODEC_RELA; record++) {
                memset(relocations, 0xaa, sizeof(relocations));
                codec_read_all(way, record, bytes, COUNT, relocations);
                for (size_t i = 0; i < COUNT; i++) {
                    Elf64_Rela relocation = {0};
                    codec_read(way, record, bytes + i * way->sizes[record], &relocation);
                    ck_assert_mem_eq(&relocations[i], &relocation, sizeof(relocation));
                }
            }
        }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        there_are_four_ways_and_no_more,         numbers_follow_the_order,
        numbers_are_read_as_they_were_written,   symbols_are_read_in_every_way,
        relocations_get_the_info_of_elf64,       dynamic_entries_and_segments_of_elf32_are_widened,
        members_stand_where_each_class_has_them, many_records_are_read_as_one_by_one,
    };
    return FIXTURE_RUN("codec", tests);
}

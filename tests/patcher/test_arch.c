/* SPDX-License-Identifier: MIT
 *
 * Code by hand: what each machine's table of shapes and the disassembler make of it.
 */
#include "arch/arch.h"
#include "fixture.h"
#include "scan/disasm.h"

#include <elf.h>
#include <string.h>

enum { ADDRESS = 0x1000, GOT = 0x8000 };

struct sample {
    const char *what;
    uint8_t code[16];
    size_t size, at, start;
    const char *kind; /* NULL: no reference */
    bool slot;
    uint64_t target;
};

static const struct sample x86_64[] = {
    {"call stub", {0xe8, 0xfb, 0x0f, 0, 0}, 5, 0, 0, "call", false, 0x2000},
    {"jmp stub", {0xe9, 0xfb, 0xff, 0xff, 0xff}, 5, 0, 0, "jump", false, 0x1000},
    {"jne stub", {0x0f, 0x85, 0xfa, 0x0f, 0, 0}, 6, 0, 0, "jump", false, 0x2000},
    {"call [slot]", {0xff, 0x15, 0xfa, 0x0f, 0, 0}, 6, 0, 0, "call", true, 0x2000},
    {"jmp [slot]", {0xff, 0x25, 0xfa, 0x0f, 0, 0}, 6, 0, 0, "jump", true, 0x2000},
    {"mov rax, [slot]", {0x48, 0x8b, 0x05, 0xf9, 0x0f, 0, 0}, 7, 0, 0, "load", true, 0x2000},
    {"mov r12, [slot]", {0x4c, 0x8b, 0x25, 0xf9, 0x0f, 0, 0}, 7, 0, 0, "load", true, 0x2000},
    {"lea rdi, [stub]", {0x48, 0x8d, 0x3d, 0xf9, 0x0f, 0, 0}, 7, 0, 0, "load", false, 0x2000},
    {"mov eax, [word]", {0x8b, 0x05, 0xf9, 0x0f, 0, 0}, 6, 0, 0, NULL, false, 0},
    {"add eax, imm32", {0x05, 0xfb, 0x0f, 0, 0}, 5, 0, 0, NULL, false, 0},
    {"cut short", {0xe8, 0xfb, 0x0f}, 3, 0, 0, NULL, false, 0},
};

/* The global offset table is at GOT. */
static const struct sample i386[] = {
    {"call stub", {0xe8, 0xfb, 0x0f, 0, 0}, 5, 0, 0, "call", false, 0x2000},
    {"jmp [ebx + slot]", {0xff, 0xa3, 0x0c, 0, 0, 0}, 6, 0, 0, "jump", true, GOT + 12},
    {"jmp [slot]", {0xff, 0x25, 0, 0x20, 0, 0}, 6, 0, 0, "jump", true, 0x2000},
    {"call [esi + slot]", {0xff, 0x96, 0xfc, 0xff, 0xff, 0xff}, 6, 0, 0, "call", true, GOT - 4},
    {"mov eax, [ebx + slot]", {0x8b, 0x83, 0x10, 0, 0, 0}, 6, 0, 0, "load", true, GOT + 16},
    {"lea eax, [ebx + stub]",
     {0x8d, 0x83, 0, 0xf0, 0xff, 0xff},
     6,
     0,
     0,
     "load",
     false,
     GOT - 4096},
    {"mov eax, ebx", {0x8b, 0xc3}, 2, 0, 0, NULL, false, 0},
};

static const struct sample aarch64[] = {
    {"bl stub", {0x00, 0x04, 0x00, 0x94}, 4, 0, 0, "call", false, 0x2000},
    {"b back", {0xff, 0xff, 0xff, 0x17}, 4, 0, 0, "jump", false, 0xffc},
    {"adrp; ldr; blr",
     {0x00, 0x00, 0x00, 0xb0, 0x00, 0x08, 0x40, 0xf9, 0x00, 0x00, 0x3f, 0xd6},
     12,
     4,
     8,
     "call",
     true,
     0x2010},
    {"adrp; ldr; br",
     {0x11, 0x00, 0x00, 0xb0, 0x31, 0x0a, 0x40, 0xf9, 0x20, 0x02, 0x1f, 0xd6},
     12,
     4,
     8,
     "jump",
     true,
     0x2010},
    {"adrp; ldr; nop",
     {0x00, 0x00, 0x00, 0xb0, 0x00, 0x08, 0x40, 0xf9, 0x1f, 0x20, 0x03, 0xd5},
     12,
     4,
     4,
     "load",
     true,
     0x2010},
    {"adrp; add", {0x00, 0x00, 0x00, 0xb0, 0x00, 0x40, 0x00, 0x91}, 8, 4, 4, "load", false, 0x2010},
    {"ldr without adrp", {0x00, 0x08, 0x40, 0xf9}, 4, 0, 0, NULL, false, 0},
    {"nop", {0x1f, 0x20, 0x03, 0xd5}, 4, 0, 0, NULL, false, 0},
};

static void check_sample(const struct arch *arch, const struct sample *sample)
{
    struct arch_reference reference;
    struct patch_error error;
    struct disasm *disasm;
    const struct arch_text text = {sample->code, sample->size, ADDRESS, GOT};
    bool found = arch->code->reference(&text, sample->at, &reference);

    ck_assert_msg(found == (sample->kind != NULL), "%s", sample->what);
    if (!found)
        return;
    ck_assert_uint_eq(arch->code->next(&text, sample->at, sample->size), sample->at);
    ck_assert_msg(reference.start == sample->start, "%s: start", sample->what);
    ck_assert_str_eq(reference.kind, sample->kind);
    ck_assert_msg(reference.slot == sample->slot, "%s: slot", sample->what);
    ck_assert_msg(reference.target == sample->target, "%s: 0x%lx", sample->what,
                  (unsigned long)reference.target);
    ck_assert(disasm_create(arch, &disasm, &error));
    const char *kind = disasm_kind(disasm, sample->code + reference.start,
                                   sample->size - reference.start, ADDRESS + reference.start);
    ck_assert_msg(kind != NULL && strcmp(kind, sample->kind) == 0, "%s: decoded as %s",
                  sample->what, kind != NULL ? kind : "nothing");
    disasm_destroy(disasm);
}

START_TEST(x86_64_references_are_told_by_their_bytes)
{
    for (size_t i = 0; i < sizeof(x86_64) / sizeof(x86_64[0]); i++)
        check_sample(&arch_x86_64, &x86_64[i]);
}
END_TEST

START_TEST(i386_references_count_from_the_global_offset_table)
{
    for (size_t i = 0; i < sizeof(i386) / sizeof(i386[0]); i++)
        check_sample(&arch_i386, &i386[i]);
}
END_TEST

/* Each instruction behind one that is of no interest. */
START_TEST(instructions_that_enter_the_kernel_are_told_apart)
{
    static const struct {
        const struct arch *arch;
        const char *name;
        enum syscall_table table;
        uint8_t code[12];
        size_t size, at;
    } rows[] = {
        {&arch_x86_64, "syscall", SYSCALLS_X86_64, {0x90, 0x0f, 0x05}, 3, 1},
        {&arch_x86_64, "int 0x80", SYSCALLS_I386, {0x90, 0xcd, 0x80}, 3, 1},
        {&arch_x86_64, "sysenter", SYSCALLS_I386, {0x90, 0x0f, 0x34}, 3, 1},
        {&arch_i386, "int 0x80", SYSCALLS_I386, {0x90, 0xcd, 0x80}, 3, 1},
        {&arch_i386, "call gs:0x10", SYSCALLS_I386, {0x90, 0x65, 0xff, 0x15, 0x10}, 8, 1},
        {&arch_aarch64,
         "svc #0",
         SYSCALLS_GENERIC,
         {0x1f, 0x20, 0x03, 0xd5, 0x01, 0x00, 0x00, 0xd4},
         8,
         4},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct arch_text text = {rows[i].code, rows[i].size, ADDRESS, GOT};
        const struct arch_text cut = {rows[i].code, rows[i].size - 1, ADDRESS, GOT};
        struct arch_reference reference;
        ck_assert_uint_eq(rows[i].arch->code->next(&text, 0, text.size), rows[i].at);
        ck_assert(rows[i].arch->code->reference(&text, rows[i].at, &reference));
        ck_assert_str_eq(reference.trap->name, rows[i].name);
        ck_assert_int_eq(reference.trap->table, rows[i].table);
        ck_assert(!rows[i].arch->code->reference(&cut, rows[i].at, &reference));
    }
}
END_TEST

START_TEST(system_calls_have_a_number_on_each_machine)
{
    static const struct {
        enum syscall_table table;
        uint64_t number;
        const char *name;
        bool waits;
    } rows[] = {
        {SYSCALLS_X86_64, 0, "read", true},       {SYSCALLS_X86_64, 202, "futex", true},
        {SYSCALLS_X86_64, 39, "getpid", false},   {SYSCALLS_I386, 3, "read", true},
        {SYSCALLS_I386, 240, "futex", true},      {SYSCALLS_I386, 102, "socketcall", true},
        {SYSCALLS_GENERIC, 63, "read", true},     {SYSCALLS_GENERIC, 98, "futex", true},
        {SYSCALLS_GENERIC, 172, "getpid", false}, {SYSCALLS_GENERIC, 22, "epoll_pwait", true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct syscall_row *row = syscalls_find(rows[i].table, rows[i].number);
        ck_assert_str_eq(row->name, rows[i].name);
        ck_assert(rows[i].waits == (row->waits != NULL));
    }
    ck_assert_ptr_null(syscalls_find(SYSCALLS_X86_64, 100000));
    ck_assert_ptr_null(syscalls_find(SYSCALLS_X86_64, UINT64_MAX));
}
END_TEST

START_TEST(aarch64_references_are_told_by_their_words)
{
    for (size_t i = 0; i < sizeof(aarch64) / sizeof(aarch64[0]); i++)
        check_sample(&arch_aarch64, &aarch64[i]);
}
END_TEST

START_TEST(stubs_begin_at_their_landing_pad)
{
    static const uint8_t plain[] = {0xff, 0x25, 0, 0, 0, 0, 0x68, 0, 0, 0, 0};
    static const uint8_t ibt[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0, 0, 0, 0, 0x66, 0x0f};
    static const uint8_t bnd[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0, 0, 0, 0, 0x0f, 0x1f};
    struct arch_reference at0 = {.start = 0}, at4 = {.start = 4}, at5 = {.start = 5};

    const struct arch_text plain_text = {plain, sizeof(plain), ADDRESS, 0};
    const struct arch_text ibt_text = {ibt, sizeof(ibt), ADDRESS, 0};
    const struct arch_text bnd_text = {bnd, sizeof(bnd), ADDRESS, 0};
    ck_assert_uint_eq(arch_x86_64.code->stub_start(&plain_text, &at0), 0);
    ck_assert_uint_eq(arch_x86_64.code->stub_start(&ibt_text, &at4), 0);
    ck_assert_uint_eq(arch_x86_64.code->stub_start(&bnd_text, &at5), 0);
    ck_assert(arch_x86_64.code->stub_like(&plain_text, &at0));
    ck_assert(arch_x86_64.code->stub_like(&ibt_text, &at4));
}
END_TEST

START_TEST(relocations_that_carry_a_redirection_have_a_kind)
{
    ck_assert_str_eq(arch_relocation_find(&arch_x86_64, R_X86_64_JUMP_SLOT)->kind, "JUMP_SLOT");
    ck_assert_str_eq(arch_relocation_find(&arch_x86_64, R_X86_64_64)->kind, "ABS64");
    ck_assert_str_eq(arch_relocation_find(&arch_aarch64, R_AARCH64_GLOB_DAT)->kind, "GLOB_DAT");
    ck_assert_ptr_null(arch_relocation_find(&arch_x86_64, R_X86_64_COPY)->kind);
    ck_assert_ptr_null(arch_relocation_find(&arch_aarch64, 9999));
}
END_TEST

START_TEST(machines_are_found_by_number_and_class)
{
    ck_assert_ptr_eq(arch_find(EM_X86_64, ELFCLASS64), &arch_x86_64);
    ck_assert_ptr_eq(arch_find(EM_AARCH64, ELFCLASS64), &arch_aarch64);
    ck_assert_ptr_eq(arch_find(EM_RISCV, ELFCLASS32), &arch_riscv32);
    ck_assert_ptr_eq(arch_find(EM_RISCV, ELFCLASS64), &arch_riscv64);
    ck_assert_ptr_null(arch_find(EM_MIPS, ELFCLASS32));
}
END_TEST

/* Of every machine: a PLT and a word for pointers, of the width of its addresses. */
START_TEST(each_machine_has_what_a_redirection_needs)
{
    static const struct {
        const struct arch *arch;
        uint32_t slot, word;
    } rows[] = {
        {&arch_x86_64, R_X86_64_JUMP_SLOT, R_X86_64_64},
        {&arch_aarch64, R_AARCH64_JUMP_SLOT, R_AARCH64_ABS64},
        {&arch_i386, R_386_JMP_SLOT, R_386_32},
        {&arch_arm, R_ARM_JUMP_SLOT, R_ARM_ABS32},
        {&arch_riscv64, R_RISCV_JUMP_SLOT, R_RISCV_64},
        {&arch_riscv32, R_RISCV_JUMP_SLOT, R_RISCV_32},
        {&arch_ppc64, R_PPC64_JMP_SLOT, R_PPC64_ADDR64},
        {&arch_ppc, R_PPC_JMP_SLOT, R_PPC_ADDR32},
        {&arch_s390x, R_390_JMP_SLOT, R_390_64},
        {&arch_loongarch64, R_LARCH_JUMP_SLOT, R_LARCH_64},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct arch *arch = rows[i].arch;
        const char *word = arch->class == ELFCLASS64 ? "ABS64" : "ABS32";
        ck_assert_ptr_eq(arch_find(arch->machine, arch->class), arch);
        ck_assert_str_eq(arch_relocation_find(arch, rows[i].slot)->kind, "JUMP_SLOT");
        ck_assert_str_eq(arch_relocation_find(arch, rows[i].word)->kind, word);
        ck_assert_uint_ne(arch->orders, 0);
        ck_assert_uint_eq(arch->hash_entry, arch == &arch_s390x ? 8 : 4);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        x86_64_references_are_told_by_their_bytes,
        aarch64_references_are_told_by_their_words,
        i386_references_count_from_the_global_offset_table,
        instructions_that_enter_the_kernel_are_told_apart,
        system_calls_have_a_number_on_each_machine,
        stubs_begin_at_their_landing_pad,
        relocations_that_carry_a_redirection_have_a_kind,
        machines_are_found_by_number_and_class,
        each_machine_has_what_a_redirection_needs,
    };
    return FIXTURE_RUN("arch", tests);
}

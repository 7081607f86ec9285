/* SPDX-License-Identifier: MIT
 *
 * What differs by machine, as data: relocation numbers and the shapes of code that reaches an
 * import. One file a machine; a new machine is a new file and a row in arch.c.
 */
#ifndef PATCHER_ARCH_H
#define PATCHER_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/syscalls.h"

struct arch_relocation {
    uint32_t type;
    const char *name; /* "R_X86_64_JUMP_SLOT" */
    const char
        *kind; /* "JUMP_SLOT", "GLOB_DAT", "ABS64" or "ABS32"; NULL: cannot carry a redirection */
};

/* A stretch of executable code. Only what was loaded of it may be read: the places that are asked
 * about, and ARCH_MARGIN bytes before and behind each. */
struct arch_text {
    const uint8_t *code;
    size_t size;
    uint64_t address; /* of code[0] */
    uint64_t got;     /* DT_PLTGOT, which i386 code counts from; 0: there is none */
};

enum { ARCH_MARGIN = 128 };

/* An instruction that enters the kernel. */
struct arch_trap {
    uint8_t bytes[8];
    uint8_t length;
    const char *name;         /* "syscall" */
    enum syscall_table table; /* what its numbers mean */
};

/* One instruction (or pair) that refers to a fixed address, or enters the kernel. */
struct arch_reference {
    size_t start;     /* of the instruction, counted from the beginning of the code */
    const char *kind; /* "call", "jump", "load" */
    bool slot;        /* `target` is a word that holds the address, not code itself */
    uint64_t target;
    const struct arch_trap *trap; /* else NULL */
};

/* First letters of the mnemonics that a reference of `kind` decodes to. */
struct arch_mnemonic {
    const char *begins;
    const char *kind;
};

/* Values are followed through general registers, which have numbers below ARCH_REGISTERS, and
 * through the word on top of the stack. */
enum { ARCH_REGISTERS = 32, ARCH_TOP = ARCH_REGISTERS, ARCH_VALUES, ARCH_NOWHERE = -1 };

struct arch_code {
    size_t width; /* of an instruction; 1 where they vary */

    /* The first place in [at, end) that reference() may know something about, else `end`. Judges by
     * an opcode, fast. */
    size_t (*next)(const struct arch_text *text, size_t at, size_t end);

    /* Whether the bytes at `at` look like a reference or a trap. Judges by bytes alone; the
     * disassembler has the last word. */
    bool (*reference)(const struct arch_text *text, size_t at, struct arch_reference *reference);

    /* Where the PLT stub begins that `reference` (a jump through a slot) belongs to. */
    size_t (*stub_start)(const struct arch_text *text, const struct arch_reference *reference);

    /* Whether such a jump looks like a stub, for files that have no section names to tell. */
    bool (*stub_like)(const struct arch_text *text, const struct arch_reference *reference);

    const struct arch_mnemonic *mnemonics; /* first match counts; ended by begins == NULL */

    int number;       /* where the number of a system call is */
    int arguments[2]; /* where the first arguments of a function are, ARCH_NOWHERE: not followed */
    enum syscall_table table; /* of the numbers that syscall(2) takes */
};

#define ARCH_ORDER(order) (1u << (order)) /* of EI_DATA */

struct arch {
    uint16_t machine;    /* e_machine */
    unsigned char class; /* EI_CLASS */
    unsigned orders;     /* ARCH_ORDER() of each byte order that it has */
    bool rel;            /* the loader heeds relocations without addends (DT_REL) too */
    size_t hash_entry;   /* bytes of an entry of DT_HASH */
    const char *name;
    const struct arch_relocation *relocations; /* those that name a symbol; ended by name == NULL */
    const struct arch_code *code;              /* NULL: call sites are not decoded */
};

extern const struct arch arch_x86_64;
extern const struct arch arch_aarch64;
extern const struct arch arch_i386;
extern const struct arch arch_arm;
extern const struct arch arch_riscv32;
extern const struct arch arch_riscv64;
extern const struct arch arch_ppc;
extern const struct arch arch_ppc64;
extern const struct arch arch_s390x;
extern const struct arch arch_loongarch64;

/* Where the machine is supported but not with this class, that of another class; NULL where it is
 * not supported at all. */
const struct arch *arch_find(uint16_t machine, unsigned char class);

/* NULL when the type is not in the table. */
const struct arch_relocation *arch_relocation_find(const struct arch *arch, uint32_t type);

#endif

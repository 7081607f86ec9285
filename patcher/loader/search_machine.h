/* SPDX-License-Identifier: MIT
 *
 * What the loaders of the machines differ in when they look for libraries.
 */
#ifndef PATCHER_SEARCH_MACHINE_H
#define PATCHER_SEARCH_MACHINE_H

#include <elf.h>
#include <stdint.h>

/* What $LIB and $PLATFORM stand for. glibc settles on one pair when it is built and started; all
 * that it may have settled on are tried. */
struct search_tokens {
    const char *library;
    const char *platform;
};

enum { SEARCH_FOLDERS = 8, SEARCH_TOKENS = 9 };

/* A machine with one of its calling conventions, as far as files tell them apart. */
struct search_machine {
    uint16_t machine;
    unsigned char class;
    unsigned char order; /* ELFDATANONE: either */
    uint32_t abi_mask;   /* bits of e_flags in which all libraries of a process agree */
    uint32_t abi;        /* these bits */
    uint32_t cache_flags;
    const char *folders[SEARCH_FOLDERS];        /* of the distributions we know; ended by NULL */
    struct search_tokens tokens[SEARCH_TOKENS]; /* ended by {NULL, NULL} */
};

/* The machine of a file with this header, e_flags included; NULL where none is known. */
const struct search_machine *search_machine_find(const Elf64_Ehdr *header);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Descriptors that the runtime opened in a program that does not know of it (run.c). Such programs
 * close what they did not open; for them these numbers are not open.
 */
#ifndef GREEN_OWN_H
#define GREEN_OWN_H

#include <stdbool.h>

/* From here on up they stand, above those that the program is going to get. */
enum { OWN_FIRST = 256 };

/* Numbers beyond a few thousand are not remembered. */
void own_add(int fd);
void own_clear(void);
bool own_has(int fd);

/* The first of them from `fd` on, or UINT_MAX. */
unsigned own_next(unsigned fd);

/* Moves fd up to where they stand, where it can, and adds it. Returns its number. */
int own_raise(int fd);

#endif

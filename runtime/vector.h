/* SPDX-License-Identifier: MIT
 *
 * A vector of buffers (struct iovec) that is used up from the front.
 */
#ifndef GREEN_VECTOR_H
#define GREEN_VECTOR_H

#include <stddef.h>
#include <sys/uio.h>

enum { VECTOR_INLINE = 8 };

struct vector {
    struct iovec *iov; /* what is left */
    size_t count;
    struct iovec *copy; /* NULL, or what vector_finish() frees */
    struct iovec few[VECTOR_INLINE];
};

/* Takes a copy of the caller's vector: callers do not expect theirs to change. -1 with ENOMEM. */
int vector_init(struct vector *vector, const struct iovec *iov, size_t count);
void vector_finish(struct vector *vector); /* leaves errno alone */

/* Drops the first `bytes`, at most vector_size(). */
void vector_advance(struct vector *vector, size_t bytes);

/* The bytes in all. A sum that does not fit gives SIZE_MAX: the system call itself refuses it. */
size_t vector_size(const struct iovec *iov, size_t count);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Short vectors need no allocation.
 */
#include "vector.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int vector_init(struct vector *vector, const struct iovec *iov, size_t count)
{
    vector->copy = NULL;
    vector->iov = vector->few;
    vector->count = count;
    if (count > VECTOR_INLINE) {
        vector->copy = reallocarray(NULL, count, sizeof *iov);
        vector->iov = vector->copy;
        if (vector->copy == NULL)
            return -1;
    }
    if (count > 0)
        memcpy(vector->iov, iov, count * sizeof *iov);
    return 0;
}

void vector_finish(struct vector *vector)
{
    int saved = errno;

    free(vector->copy);
    errno = saved;
}

void vector_advance(struct vector *vector, size_t bytes)
{
    while (vector->count > 0 && bytes >= vector->iov->iov_len) {
        bytes -= vector->iov->iov_len;
        vector->iov++;
        vector->count--;
    }
    if (vector->count > 0) {
        vector->iov->iov_base = (char *)vector->iov->iov_base + bytes;
        vector->iov->iov_len -= bytes;
    }
}

size_t vector_size(const struct iovec *iov, size_t count)
{
    size_t sum = 0;

    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(sum, iov[i].iov_len, &sum))
            return SIZE_MAX;
    return sum;
}

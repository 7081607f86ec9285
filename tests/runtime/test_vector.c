/* SPDX-License-Identifier: MIT
 *
 * Vectors of buffers: used up from the front, the caller's left alone.
 */
#include "support.h"
#include "vector.h"

#include <errno.h>
#include <stdint.h>

static char bytes[64];

START_TEST(advancing_crosses_buffers_and_empty_ones)
{
    const struct iovec iov[] = {{bytes, 4}, {bytes + 4, 0}, {bytes + 4, 8}, {bytes + 12, 1}};
    struct vector vector;

    ck_assert_int_eq(vector_init(&vector, iov, 4), 0);
    ck_assert_uint_eq(vector_size(vector.iov, vector.count), 13);
    vector_advance(&vector, 3);
    ck_assert_ptr_eq(vector.iov->iov_base, bytes + 3);
    ck_assert_uint_eq(vector.iov->iov_len, 1);
    vector_advance(&vector, 2);
    ck_assert_ptr_eq(vector.iov->iov_base, bytes + 5);
    ck_assert_uint_eq(vector.iov->iov_len, 7);
    ck_assert_uint_eq(vector.count, 2);
    vector_advance(&vector, 8);
    ck_assert_uint_eq(vector.count, 0);
    ck_assert_ptr_eq(iov[0].iov_base, bytes);
    ck_assert_uint_eq(iov[2].iov_len, 8);
    vector_finish(&vector);
}
END_TEST

START_TEST(long_vectors_are_allocated)
{
    struct iovec iov[VECTOR_INLINE + 1];
    struct vector vector;

    for (size_t i = 0; i <= VECTOR_INLINE; i++)
        iov[i] = (struct iovec){bytes + i, 1};
    ck_assert_int_eq(vector_init(&vector, iov, VECTOR_INLINE), 0);
    ck_assert_ptr_null(vector.copy);
    vector_finish(&vector);
    ck_assert_int_eq(vector_init(&vector, iov, VECTOR_INLINE + 1), 0);
    ck_assert_ptr_nonnull(vector.copy);
    vector_advance(&vector, VECTOR_INLINE);
    ck_assert_ptr_eq(vector.iov->iov_base, bytes + VECTOR_INLINE);
    errno = EXDEV;
    vector_finish(&vector);
    ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(nothing_is_a_vector)
{
    struct vector vector;

    ck_assert_int_eq(vector_init(&vector, NULL, 0), 0);
    ck_assert_uint_eq(vector_size(NULL, 0), 0);
    vector_advance(&vector, 0);
    vector_finish(&vector);
}
END_TEST

START_TEST(a_sum_that_does_not_fit_is_seen)
{
    const struct iovec iov[] = {{bytes, SIZE_MAX}, {bytes, 2}};

    ck_assert_uint_eq(vector_size(iov, 2), SIZE_MAX);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        advancing_crosses_buffers_and_empty_ones,
        long_vectors_are_allocated,
        nothing_is_a_vector,
        a_sum_that_does_not_fit_is_seen,
    };

    return run_suite("vector", tests, sizeof tests / sizeof tests[0]);
}

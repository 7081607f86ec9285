/* SPDX-License-Identifier: MIT
 *
 * The list of edits.
 */
#include "edits.h"
#include "fixture.h"

#include <stdlib.h>

static void add(struct plan *plan, uint64_t offset, size_t size)
{
    static const uint8_t bytes[24];
    struct patch_error error;

    ck_assert(edits_add(plan, offset, bytes, size, &error));
}

START_TEST(runs_come_in_ascending_order_and_leave_the_edits_as_they_are)
{
    const struct image image = {.size = 1000};
    struct plan plan = {0};
    struct undo_run *runs;
    struct patch_error error;

    for (uint64_t i = 0; i < 200; i++) /* more than one allocation */
        add(&plan, i % 2 == 0 ? 902 - i * 4 : i * 4, 2);
    ck_assert_uint_eq(plan.edit_count, 200);
    ck_assert(edits_runs(&image, &plan, &runs, &error));
    for (size_t i = 1; i < 200; i++)
        ck_assert_uint_ge(runs[i].offset, runs[i - 1].offset + runs[i - 1].size);
    ck_assert_uint_eq(plan.edits[0].offset, 902);
    free(runs);
    edits_sort(&plan);
    ck_assert_uint_eq(plan.edits[199].offset, 902);
    plan_finish(&plan);
}
END_TEST

static void check_refused(struct plan *plan, uint64_t offset)
{
    const struct image image = {.size = 100};
    struct patch_error error = {0};
    struct undo_run *runs;

    ck_assert(!edits_runs(&image, plan, &runs, &error));
    ck_assert_int_eq(error.code, PATCH_MALFORMED);
    ck_assert_uint_eq(error.offset, offset);
    free(runs);
    plan_finish(plan);
}

START_TEST(edits_that_overlap_are_malformed)
{
    struct plan plan = {0};

    add(&plan, 20, 4);
    add(&plan, 18, 4);
    check_refused(&plan, 20);
}
END_TEST

START_TEST(edits_outside_the_file_or_across_the_insertion_are_malformed)
{
    struct plan plan = {0};

    add(&plan, 98, 4);
    check_refused(&plan, 98);
    plan.place.insertion_offset = 50;
    plan.place.insertion_size = 8;
    add(&plan, 48, 4);
    check_refused(&plan, 48);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        runs_come_in_ascending_order_and_leave_the_edits_as_they_are,
        edits_that_overlap_are_malformed,
        edits_outside_the_file_or_across_the_insertion_are_malformed,
    };
    return FIXTURE_RUN("edits", tests);
}

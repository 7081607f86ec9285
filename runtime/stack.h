/* SPDX-License-Identifier: MIT
 *
 * Stacks for coroutines: equal stacks side by side in large mappings, a guard page below each,
 * touched lazily, used again last in, first out.
 *
 *      slab: | guard | stack 0      | guard | stack 1      | ...
 */
#ifndef GREEN_STACK_H
#define GREEN_STACK_H

#include <stdbool.h>
#include <stddef.h>

struct slab;
struct stack_class;

struct stack {
    void *base;  /* lowest usable byte, just above the guard page */
    size_t size; /* usable bytes */
    struct slab *slab;
    unsigned index;       /* in the slab */
    unsigned valgrind_id; /* if `watched` */
    bool watched;         /* Valgrind was told */
    bool lent; /* the program's own memory: no guard page, and not given back to the pool */
};

enum { STACK_SIZE_DEFAULT = 256 * 1024, STACK_SIZE_LEAST = 16 * 1024 };
#define STACK_SIZE_MOST ((size_t)1 << 30)

/* All the stacks of one hub, in a class for each size. */
struct stack_pool {
    struct stack_class *classes;
    size_t page; /* of memory, in bytes */
};

void stack_pool_init(struct stack_pool *pool);

/* Unmaps everything; no stack may be in use. */
void stack_pool_finish(struct stack_pool *pool);

/* `size` counts address space: guard page and stack. -1 with ENOMEM (no memory, or the system has
 * no mapping left: vm.max_map_count), or EINVAL (beyond the limits above). */
int stack_acquire(struct stack_pool *pool, size_t size, struct stack *stack);

/* A stack in memory of the program's, borrowed until it is released. */
void stack_lend(void *base, size_t size, struct stack *stack);

/* Takes the stack back. Never fails. Its memory is kept for the next, as long as few are. */
void stack_release(const struct stack *stack);

/* Whether free stacks keep memory. */
bool stack_pool_is_warm(const struct stack_pool *pool);

/* To be called now and then: gives back the memory of stacks that nobody needed since the last
 * time, of so many at a time that it takes well below a millisecond. Returns whether more are left.
 */
bool stack_pool_cool(struct stack_pool *pool);

#endif

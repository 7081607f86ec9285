/* SPDX-License-Identifier: MIT
 *
 * A class is an array of free stacks, the cold ones (memory given back) first, the warm ones last,
 * and a slab that is still being cut up. The array has room for every stack of the class, so that a
 * release cannot fail.
 */
#include "stack.h"

#include "sanitizer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard that needs no mapping of its own */
#endif

enum {
    SLAB_STACKS_FIRST = 16,
    SLAB_STACKS_MOST = 1024,
    WARM_LEAST = 64, /* this many free stacks may keep their memory, or as many as are in use */
};

struct slab {
    struct slab *next;
    char *base;
    size_t length;
};

struct stack_class {
    struct stack_class *next;
    size_t stride; /* guard page and stack */
    struct slab *slabs;
    char *uncut;         /* the rest of the newest slab */
    size_t uncut_stacks; /* how many that makes */
    size_t slab_stacks;  /* how many the next slab holds */
    size_t total, in_use;
    char **free; /* lowest addresses, guard included */
    size_t free_count, free_capacity;
    size_t cold; /* of free[], how many have given their memory back */
};

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void stack_pool_init(struct stack_pool *pool)
{
    pool->classes = NULL;
}

static void class_destroy(struct stack_class *class)
{
    struct slab *slab, *next;

    for (slab = class->slabs; slab != NULL; slab = next) {
        next = slab->next;
        munmap(slab->base, slab->length);
        free(slab);
    }
    free(class->free);
    free(class);
}

void stack_pool_finish(struct stack_pool *pool)
{
    struct stack_class *class, *next;

    for (class = pool->classes; class != NULL; class = next) {
        next = class->next;
        class_destroy(class);
    }
    pool->classes = NULL;
}

static struct stack_class *class_for(struct stack_pool *pool, size_t stride)
{
    struct stack_class *class;

    for (class = pool->classes; class != NULL; class = class->next)
        if (class->stride == stride)
            return class;
    class = calloc(1, sizeof *class);
    if (class == NULL)
        return NULL;
    class->stride = stride;
    class->slab_stacks = SLAB_STACKS_FIRST;
    class->next = pool->classes;
    pool->classes = class;
    return class;
}

static int reserve_free(struct stack_class *class, size_t capacity)
{
    char **grown;

    if (capacity <= class->free_capacity)
        return 0;
    grown = reallocarray(class->free, capacity, sizeof(char *));
    if (grown == NULL)
        return -1;
    class->free = grown;
    class->free_capacity = capacity;
    return 0;
}

/* Maps room for `stacks` stacks. Huge pages would make every stack cost 2 MiB. */
static int slab_map(struct stack_class *class, size_t stacks)
{
    size_t length;
    struct slab *slab;
    void *base;

    if (__builtin_mul_overflow(stacks, class->stride, &length) ||
        reserve_free(class, class->total + stacks) != 0) {
        errno = ENOMEM;
        return -1;
    }
    slab = malloc(sizeof *slab);
    if (slab == NULL)
        return -1;
    base = mmap(NULL, length, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED) {
        free(slab);
        return -1;
    }
    (void)madvise(base, length, MADV_NOHUGEPAGE);
    *slab = (struct slab){.next = class->slabs, .base = base, .length = length};
    class->slabs = slab;
    class->uncut = base;
    class->uncut_stacks = stacks;
    class->total += stacks;
    if (class->slab_stacks < SLAB_STACKS_MOST)
        class->slab_stacks *= 2;
    return 0;
}

/* Where a whole slab does not fit, one stack still may. */
static int slab_grow(struct stack_class *class)
{
    int saved = errno;

    if (slab_map(class, class->slab_stacks) == 0)
        return 0;
    errno = saved;
    return slab_map(class, 1);
}

static int guard_install(char *guard, size_t length)
{
    int saved = errno;

    if (madvise(guard, length, MADV_GUARD_INSTALL) == 0)
        return 0;
    errno = saved;
    return mprotect(guard, length, PROT_NONE);
}

static char *cut(struct stack_class *class)
{
    char *lowest = class->uncut;

    if (class->uncut_stacks == 0) {
        if (slab_grow(class) != 0)
            return NULL;
        lowest = class->uncut;
    }
    if (guard_install(lowest, page_size()) != 0)
        return NULL;
    class->uncut += class->stride;
    class->uncut_stacks--;
    return lowest;
}

int stack_acquire(struct stack_pool *pool, size_t size, struct stack *stack)
{
    size_t page = page_size();
    struct stack_class *class;
    char *lowest;

    if (size < STACK_SIZE_LEAST || size > STACK_SIZE_MOST) {
        errno = EINVAL;
        return -1;
    }
    size = (size + page - 1) & ~(page - 1);
    class = class_for(pool, size);
    if (class == NULL)
        return -1;
    if (class->free_count > 0) {
        lowest = class->free[--class->free_count];
        if (class->cold > class->free_count)
            class->cold = class->free_count;
    } else {
        lowest = cut(class);
        if (lowest == NULL)
            return -1;
    }
    class->in_use++;
    stack->base = lowest + page;
    stack->size = size - page;
    sanitizer_stack_fresh(stack->base, stack->size);
    stack->valgrind_id = sanitizer_stack_register(stack->base, stack->size);
    return 0;
}

static void cool_oldest(struct stack_class *class)
{
    size_t page = page_size();

    (void)madvise(class->free[class->cold] + page, class->stride - page, MADV_DONTNEED);
    class->cold++;
}

void stack_release(struct stack_pool *pool, const struct stack *stack)
{
    size_t page = page_size();
    struct stack_class *class = class_for(pool, stack->size + page);
    int saved = errno;
    size_t warm_most;

    sanitizer_stack_deregister(stack->valgrind_id);
    sanitizer_stack_unused(stack->base, stack->size);
    class->in_use--;
    class->free[class->free_count++] = (char *)stack->base - page;
    warm_most = class->in_use > WARM_LEAST ? class->in_use : WARM_LEAST;
    while (class->free_count - class->cold > warm_most)
        cool_oldest(class);
    errno = saved;
}

/* Read without a lock by every spawn; 0: not decided yet. */
static _Atomic size_t wanted;

int stack_size_set(size_t bytes)
{
    if (bytes < STACK_SIZE_LEAST || bytes > STACK_SIZE_MOST) {
        errno = EINVAL;
        return -1;
    }
    atomic_store_explicit(&wanted, bytes, memory_order_relaxed);
    return 0;
}

static int size_from_environment(const char *text)
{
    unsigned long long bytes;
    char *end;

    errno = 0;
    bytes = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || bytes > SIZE_MAX) {
        errno = EINVAL;
        return -1;
    }
    return stack_size_set((size_t)bytes);
}

size_t stack_size_wanted(void)
{
    size_t bytes = atomic_load_explicit(&wanted, memory_order_relaxed);
    const char *text;
    int saved = errno;

    if (bytes != 0)
        return bytes;
    text = secure_getenv("GREEN_STACK_SIZE"); /* once: it costs as much as the rest of a spawn */
    if (text == NULL)
        (void)stack_size_set(STACK_SIZE_DEFAULT);
    else if (size_from_environment(text) != 0)
        return 0;
    errno = saved;
    return atomic_load_explicit(&wanted, memory_order_relaxed);
}

/* SPDX-License-Identifier: MIT
 *
 * A class is all stacks of one size, in slabs. Free stacks are warm, or cold: their memory was
 * given back. Taking memory back and touching it again costs as much as several spawns, so a burst
 * that comes again is to find its stacks warm. Those that were free all the time between two looks
 * were needed by nobody: they get cold, and a slab without any other is unmapped.
 */
#include "stack.h"

#include "list.h"
#include "sanitizer.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard that needs no mapping of its own */
#endif
#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD (-10000) /* Linux 6.14: oneself, without a descriptor */
#endif

enum {
    SLAB_STACKS_FIRST = 16,
    SLAB_STACKS_MOST = 256,
    GUARDS_AT_ONCE = 32,
    WARM_MOST = 4096, /* so many free stacks may keep their memory, or as many as are in use */
    COOL_AT_ONCE = 256,
};

struct slab {
    struct stack_class *class;
    struct list all;
    struct list link; /* in class->warm when one of its stacks is, in class->cold when others are
                         free, or in a list of itself */
    char *base;
    unsigned stacks;  /* room for so many; the lowest are cut first */
    unsigned cut;     /* so many have been in use */
    unsigned guarded; /* so many have their guards */
    unsigned free_count, cold;
    uint16_t free[]; /* which of them: first those that are cold, last the latest */
};

struct stack_class {
    struct stack_class *next;
    size_t page, stride; /* stride: guard page and stack */
    struct list slabs;
    struct list warm, cold; /* the latest used first */
    struct slab *newest;    /* the only one with stacks that are not cut; or NULL */
    unsigned slab_stacks;   /* how many the next slab holds */
    bool one_by_one;        /* the system sets up one guard a call */
    bool watched;           /* Valgrind is to be told */
    size_t in_use;
    size_t warm_count;
    size_t unused; /* of the warm ones, how many were free ever since the last look */
};

void stack_pool_init(struct stack_pool *pool)
{
    *pool = (struct stack_pool){.page = (size_t)sysconf(_SC_PAGESIZE)};
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
    class->page = pool->page;
    class->stride = stride;
    class->slab_stacks = SLAB_STACKS_FIRST;
    class->watched = sanitizer_stacks_watched();
    list_init(&class->slabs);
    list_init(&class->warm);
    list_init(&class->cold);
    class->next = pool->classes;
    pool->classes = class;
    return class;
}

/* --- slabs ------------------------------------------------------------------------------------ */

/* Huge pages would make every stack cost 2 MiB. */
static struct slab *slab_map(struct stack_class *class, unsigned stacks)
{
    struct slab *slab = malloc(sizeof *slab + stacks * sizeof slab->free[0]);
    size_t length;

    if (slab == NULL)
        return NULL;
    *slab = (struct slab){.class = class, .stacks = stacks};
    if (__builtin_mul_overflow(stacks, class->stride, &length)) {
        errno = ENOMEM;
        goto fail;
    }
    slab->base = mmap(NULL, length, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slab->base == MAP_FAILED)
        goto fail;
    (void)madvise(slab->base, length, MADV_NOHUGEPAGE);
    list_init(&slab->link);
    list_append(&class->slabs, &slab->all);
    return slab;
fail:
    free(slab);
    return NULL;
}

static void slab_unmap(struct slab *slab)
{
    struct stack_class *class = slab->class;
    size_t length = slab->stacks * class->stride;

    if (class->newest == slab)
        class->newest = NULL;
    list_remove(&slab->all);
    list_remove(&slab->link);
    sanitizer_stack_gone(slab->base, length);
    (void)munmap(slab->base, length);
    free(slab);
}

/* Where a whole slab does not fit, one stack still may. */
static int slab_grow(struct stack_class *class)
{
    int saved = errno;

    class->newest = slab_map(class, class->slab_stacks);
    if (class->newest == NULL) {
        errno = saved;
        class->newest = slab_map(class, 1);
    } else if (class->slab_stacks < SLAB_STACKS_MOST) {
        class->slab_stacks *= 2;
    }
    return class->newest == NULL ? -1 : 0;
}

static unsigned slab_warm(const struct slab *slab)
{
    return slab->free_count - slab->cold;
}

static bool slab_is_unused(const struct slab *slab)
{
    return slab->free_count == slab->cut;
}

static char *lowest_of(const struct slab *slab, unsigned index)
{
    return slab->base + index * slab->class->stride;
}

void stack_pool_finish(struct stack_pool *pool)
{
    struct stack_class *class, *next;

    for (class = pool->classes; class != NULL; class = next) {
        next = class->next;
        while (!list_empty(&class->slabs))
            slab_unmap(list_entry(class->slabs.next, struct slab, all));
        free(class);
    }
    pool->classes = NULL;
}

/* --- new stacks ------------------------------------------------------------------------------- */

static int guard_install(char *guard, size_t length)
{
    int saved = errno;

    if (madvise(guard, length, MADV_GUARD_INSTALL) == 0)
        return 0;
    errno = saved;
    return mprotect(guard, length, PROT_NONE);
}

/* One call for all; a mapping of its own for each, of which there are few, only when it is needed.
 */
static bool guard_install_many(const struct slab *slab, unsigned count)
{
    struct iovec guards[GUARDS_AT_ONCE];
    size_t page = slab->class->page;
    int saved = errno;
    ssize_t done;

    for (unsigned i = 0; i < count; i++)
        guards[i] = (struct iovec){lowest_of(slab, slab->guarded + i), page};
    done = process_madvise(PIDFD_SELF_THREAD, guards, count, MADV_GUARD_INSTALL, 0);
    errno = saved;
    return done == (ssize_t)(count * page);
}

static int guard_next(struct slab *slab)
{
    struct stack_class *class = slab->class;
    unsigned left = slab->stacks - slab->guarded;
    unsigned many = left < GUARDS_AT_ONCE ? left : GUARDS_AT_ONCE;

    if (!class->one_by_one && guard_install_many(slab, many)) {
        slab->guarded += many;
        return 0;
    }
    class->one_by_one = true;
    if (guard_install(lowest_of(slab, slab->guarded), class->page) != 0)
        return -1;
    slab->guarded++;
    return 0;
}

static struct slab *cut(struct stack_class *class, unsigned *index)
{
    struct slab *slab;

    if (class->newest == NULL && slab_grow(class) != 0)
        return NULL;
    slab = class->newest;
    if (slab->cut == slab->guarded && guard_next(slab) != 0)
        return NULL;
    *index = slab->cut++;
    if (slab->cut == slab->stacks)
        class->newest = NULL;
    return slab;
}

/* --- free stacks ------------------------------------------------------------------------------ */

static struct slab *take_warm(struct stack_class *class, unsigned *index)
{
    struct slab *slab = list_entry(class->warm.next, struct slab, link);

    *index = slab->free[--slab->free_count];
    if (--class->warm_count < class->unused)
        class->unused = class->warm_count;
    if (slab_warm(slab) == 0)
        list_remove(&slab->link);
    if (slab_warm(slab) == 0 && slab->cold > 0)
        list_append(&class->cold, &slab->link);
    return slab;
}

static struct slab *take_cold(struct stack_class *class, unsigned *index)
{
    struct slab *slab = list_entry(class->cold.next, struct slab, link);

    *index = slab->free[--slab->free_count];
    if (--slab->cold == 0)
        list_remove(&slab->link);
    return slab;
}

/* Of the oldest warm ones, how many lie side by side, and where. */
static unsigned neighbours(const struct slab *slab, unsigned most, unsigned *lowest)
{
    const uint16_t *first = slab->free + slab->cold;
    int step = most > 1 && first[1] < first[0] ? -1 : 1;
    unsigned count = 1;

    while (count < most && first[count] == first[count - 1] + step)
        count++;
    *lowest = step > 0 ? first[0] : first[count - 1];
    return count;
}

/* Guards stay where they are. */
static void cool(struct slab *slab, unsigned count)
{
    struct stack_class *class = slab->class;

    class->warm_count -= count;
    while (count > 0) {
        unsigned lowest, many = neighbours(slab, count, &lowest);

        (void)madvise(lowest_of(slab, lowest) + class->page, many * class->stride - class->page,
                      MADV_DONTNEED);
        slab->cold += many;
        count -= many;
    }
    if (slab_warm(slab) > 0)
        return;
    list_remove(&slab->link);
    if (slab_is_unused(slab))
        slab_unmap(slab);
    else
        list_append(&class->cold, &slab->link);
}

/* From the slabs that nobody needed for the longest time. */
static void cool_oldest(struct stack_class *class, size_t count)
{
    int saved = errno;

    class->unused -= class->unused < count ? class->unused : count;
    while (count > 0) {
        struct slab *slab = list_entry(class->warm.previous, struct slab, link);
        unsigned all = slab_warm(slab);

        if (slab_is_unused(slab) && all <= count) {
            class->warm_count -= all;
            count -= all;
            slab_unmap(slab);
        } else {
            unsigned some = all < count ? all : (unsigned)count;

            count -= some;
            cool(slab, some);
        }
    }
    errno = saved;
}

bool stack_pool_is_warm(const struct stack_pool *pool)
{
    for (const struct stack_class *class = pool->classes; class != NULL; class = class->next)
        if (class->warm_count > 0)
            return true;
    return false;
}

bool stack_pool_cool(struct stack_pool *pool)
{
    struct stack_class *class;
    bool more = false;

    for (class = pool->classes; class != NULL; class = class->next) {
        cool_oldest(class, class->unused < COOL_AT_ONCE ? class->unused : COOL_AT_ONCE);
        more |= class->unused > 0;
    }
    for (class = pool->classes; !more && class != NULL; class = class->next)
        class->unused = class->warm_count;
    return more;
}

/* --- what others see -------------------------------------------------------------------------- */

/* An odd number of pages: caches of translations, and of the tables behind them, are indexed by the
 * lowest bits of page numbers, and the pages in use are this far apart. */
static size_t stride_of(const struct stack_pool *pool, size_t size)
{
    return ((size + pool->page - 1) & ~(pool->page - 1)) | pool->page;
}

static void tell_of(struct stack *stack)
{
    sanitizer_stack_fresh(stack->base, stack->size);
    if (stack->watched)
        stack->valgrind_id = sanitizer_stack_register(stack->base, stack->size);
}

int stack_acquire(struct stack_pool *pool, size_t size, struct stack *stack)
{
    struct stack_class *class;
    struct slab *slab;

    if (size < STACK_SIZE_LEAST || size > STACK_SIZE_MOST) {
        errno = EINVAL;
        return -1;
    }
    class = class_for(pool, stride_of(pool, size));
    if (class == NULL)
        return -1;
    if (!list_empty(&class->warm))
        slab = take_warm(class, &stack->index);
    else if (!list_empty(&class->cold))
        slab = take_cold(class, &stack->index);
    else
        slab = cut(class, &stack->index);
    if (slab == NULL)
        return -1;
    class->in_use++;
    stack->slab = slab;
    stack->base = lowest_of(slab, stack->index) + pool->page;
    stack->size = class->stride - pool->page;
    stack->watched = class->watched;
    stack->lent = false;
    tell_of(stack);
    return 0;
}

void stack_lend(void *base, size_t size, struct stack *stack)
{
    *stack = (struct stack){
        .base = base, .size = size, .watched = sanitizer_stacks_watched(), .lent = true};
    tell_of(stack);
}

void stack_release(const struct stack *stack)
{
    struct slab *slab = stack->slab;
    struct stack_class *class;
    size_t most;

    if (stack->watched)
        sanitizer_stack_deregister(stack->valgrind_id);
    sanitizer_stack_unused(stack->base, stack->size);
    if (stack->lent)
        return;
    class = slab->class;
    class->in_use--;
    slab->free[slab->free_count++] = (uint16_t)stack->index;
    if (class->warm.next != &slab->link) {
        list_remove(&slab->link);
        list_prepend(&class->warm, &slab->link);
    }
    class->warm_count++;
    most = class->in_use > WARM_MOST ? class->in_use : WARM_MOST;
    if (class->warm_count >= most + COOL_AT_ONCE)
        cool_oldest(class, COOL_AT_ONCE);
}

/* SPDX-License-Identifier: MIT
 *
 * What the keys of patched code are, and the values that coroutines have under them: in blocks that
 * are there once one of their keys has a value.
 */
#include "keys.h"

#include <stddef.h>
#include <stdlib.h>

enum { PER_BLOCK = 32, BLOCKS = PTHREAD_KEYS_MAX / PER_BLOCK };

struct key keys[PTHREAD_KEYS_MAX];

struct value {
    uintptr_t count;
    void *data;
};

struct key_values {
    bool changed; /* since the last round of destructors began */
    struct value *blocks[BLOCKS];
};

/* --- keys ------------------------------------------------------------------------------------- */

static uintptr_t count_of(pthread_key_t key)
{
    return atomic_load_explicit(&keys[key].count, memory_order_acquire);
}

bool key_is_ours(pthread_key_t key)
{
    return key < PTHREAD_KEYS_MAX && key_count_is_used(count_of(key));
}

/* --- values ----------------------------------------------------------------------------------- */

void *key_values_get(const struct key_values *values, pthread_key_t key)
{
    const struct value *block = values != NULL ? values->blocks[key / PER_BLOCK] : NULL;
    const struct value *value = block != NULL ? &block[key % PER_BLOCK] : NULL;

    return value != NULL && value->count == count_of(key) ? value->data : NULL;
}

/* NULL: no memory. */
static struct value *provide(struct key_values **values, pthread_key_t key)
{
    struct value **block;

    if (*values == NULL)
        *values = calloc(1, sizeof **values);
    if (*values == NULL)
        return NULL;
    block = &(*values)->blocks[key / PER_BLOCK];
    if (*block == NULL)
        *block = calloc(PER_BLOCK, sizeof **block);
    return *block != NULL ? &(*block)[key % PER_BLOCK] : NULL;
}

int key_values_set(struct key_values **values, pthread_key_t key, const void *data)
{
    struct value *value;

    if (data == NULL && key_values_get(*values, key) == NULL)
        return 0;
    value = provide(values, key);
    if (value == NULL)
        return -1;
    *value = (struct value){count_of(key), (void *)data};
    (*values)->changed |= data != NULL;
    return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* One value, if there is one that means something: it is NULL when its destructor is called. Where
 * another thread deletes the key meanwhile and its number is given to another key, the destructor
 * may be that one's, but then the count is, too. */
static void destroy_value(struct value *value, pthread_key_t key)
{
    void (*destructor)(void *) = atomic_load_explicit(&keys[key].destructor, memory_order_acquire);
    void *data = value->data;

    value->data = NULL;
    if (data != NULL && value->count == count_of(key) && destructor != NULL)
        destructor(data);
}

static void destroy_round(struct key_values *values)
{
    values->changed = false;
    for (pthread_key_t key = 0; key < PTHREAD_KEYS_MAX; key++)
        if (values->blocks[key / PER_BLOCK] != NULL)
            destroy_value(&values->blocks[key / PER_BLOCK][key % PER_BLOCK], key);
}

/* *values stays valid to the end: the destructors ask for values, and set some. */
void key_values_finish(struct key_values **values)
{
    if (*values == NULL)
        return;
    for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS && (*values)->changed; round++)
        destroy_round(*values);
    key_values_destroy(*values);
    *values = NULL;
}

void key_values_hand_over(const struct key_values *values)
{
    for (pthread_key_t key = 0; key < PTHREAD_KEYS_MAX; key++)
        if (key_is_ours(key) && pthread_getspecific(key) != key_values_get(values, key))
            (void)pthread_setspecific(key, key_values_get(values, key));
}

void key_values_destroy(struct key_values *values)
{
    for (size_t i = 0; values != NULL && i < BLOCKS; i++)
        free(values->blocks[i]);
    free(values);
}

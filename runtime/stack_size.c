/* SPDX-License-Identifier: MIT
 *
 * The environment is looked at once: that costs as much as the rest of a spawn.
 */
#include "stack_size.h"

#include "stack.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

_Atomic size_t stack_size_decided;

int stack_size_set(size_t bytes)
{
    if (bytes < STACK_SIZE_LEAST || bytes > STACK_SIZE_MOST) {
        errno = EINVAL;
        return -1;
    }
    atomic_store_explicit(&stack_size_decided, bytes, memory_order_relaxed);
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

size_t stack_size_decide(void)
{
    const char *text = secure_getenv("GREEN_STACK_SIZE");
    int saved = errno;

    if (text == NULL)
        (void)stack_size_set(STACK_SIZE_DEFAULT);
    else if (size_from_environment(text) != 0)
        return 0;
    errno = saved;
    return atomic_load_explicit(&stack_size_decided, memory_order_relaxed);
}

/* SPDX-License-Identifier: MIT
 *
 * What AddressSanitizer, ThreadSanitizer and Valgrind must be told about stacks and switches.
 * Without them the functions are empty (the sanitizers) or a few idle instructions (Valgrind).
 */
#ifndef GREEN_SANITIZER_H
#define GREEN_SANITIZER_H

#include <stdbool.h>
#include <stddef.h>

#if __has_include(<valgrind/valgrind.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <valgrind/valgrind.h>
#pragma GCC diagnostic pop
static inline bool sanitizer_stacks_watched(void)
{
    return RUNNING_ON_VALGRIND > 0;
}
static inline unsigned sanitizer_stack_register(void *base, size_t size)
{
    return VALGRIND_STACK_REGISTER(base, (char *)base + size - 1);
}
static inline void sanitizer_stack_deregister(unsigned id)
{
    VALGRIND_STACK_DEREGISTER(id);
    (void)id;
}
#else
static inline bool sanitizer_stacks_watched(void)
{
    return false;
}
static inline unsigned sanitizer_stack_register(void *base, size_t size)
{
    (void)base;
    (void)size;
    return 0;
}
static inline void sanitizer_stack_deregister(unsigned id)
{
    (void)id;
}
#endif

#ifdef __SANITIZE_ADDRESS__
void __asan_handle_no_return(void);
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
/* In use from now on. Frames that were left by a switch, and never returned, left their red zones
 * behind; and what a stack points to is no leak. */
static inline void sanitizer_stack_fresh(void *base, size_t size)
{
    __asan_unpoison_memory_region(base, size);
    __lsan_register_root_region(base, size);
}
static inline void sanitizer_stack_unused(void *base, size_t size)
{
    __lsan_unregister_root_region(base, size);
}
/* The mapping is about to go: others may come to lie where poison is. */
static inline void sanitizer_stack_gone(void *base, size_t size)
{
    __asan_unpoison_memory_region(base, size);
}
/* Around a switch: begin in the old flow (`fake` NULL: it ends here), end in the new one. */
static inline void sanitizer_switch_begin(void **fake, const void *base, size_t size)
{
    __sanitizer_start_switch_fiber(fake, base, size);
}
static inline void sanitizer_switch_end(void *fake, const void **base, size_t *size)
{
    __sanitizer_finish_switch_fiber(fake, base, size);
}
/* Frames of the running flow are going to be left without a return. */
static inline void sanitizer_stack_left(void)
{
    __asan_handle_no_return();
}
#else
static inline void sanitizer_stack_left(void)
{
}
static inline void sanitizer_stack_fresh(void *base, size_t size)
{
    (void)base;
    (void)size;
}
static inline void sanitizer_stack_unused(void *base, size_t size)
{
    (void)base;
    (void)size;
}
static inline void sanitizer_stack_gone(void *base, size_t size)
{
    (void)base;
    (void)size;
}
static inline void sanitizer_switch_begin(void **fake, const void *base, size_t size)
{
    (void)fake;
    (void)base;
    (void)size;
}
static inline void sanitizer_switch_end(void *fake, const void **base, size_t *size)
{
    (void)fake;
    (void)base;
    (void)size;
}
#endif

/* A flow, as ThreadSanitizer counts them; each switch orders what was before it and what is after.
 */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
static inline void *sanitizer_flow_create(void)
{
    return __tsan_create_fiber(0);
}
static inline void *sanitizer_flow_of_thread(void)
{
    return __tsan_get_current_fiber();
}
static inline void sanitizer_flow_destroy(void *flow)
{
    if (flow != NULL)
        __tsan_destroy_fiber(flow);
}
static inline void sanitizer_flow_switch(void *flow)
{
    __tsan_switch_to_fiber(flow, 0);
}
#else
static inline void *sanitizer_flow_create(void)
{
    return NULL;
}
static inline void *sanitizer_flow_of_thread(void)
{
    return NULL;
}
static inline void sanitizer_flow_destroy(void *flow)
{
    (void)flow;
}
static inline void sanitizer_flow_switch(void *flow)
{
    (void)flow;
}
#endif

#endif

/* SPDX-License-Identifier: MIT
 *
 * For the files that have the hooks (hook_*.c): what is called greenify_NAME in them stands behind
 * the entry of that name, and is called where there is a hub; in a thread without one where
 * hook_entries.def says so.
 */
#ifndef GREEN_HOOK_INSIDE_H
#define GREEN_HOOK_INSIDE_H

#define HOOK_SYMBOL(name) __asm__("in_hub_" #name) __attribute__((visibility("hidden")))

#include "hook.h"

/* Behind a function that is its own entry, for each of its names: ALWAYS in hook_entries.def. */
#define OWN_ENTRY(name, function)                                                                  \
    extern __typeof__(name) own_entry_##name __asm__("greenify_" #name)                            \
        __attribute__((alias("in_hub_" #function), visibility("default")))

/* The part of a hook that has to wait: apart from it, so that the first try needs no frame. */
#define IN_HUB static __attribute__((noinline))

#endif

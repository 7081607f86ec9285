/* SPDX-License-Identifier: MIT
 *
 * The entries of the hooks, greenify_NAME. In a thread without a hub: a test and a jump to NAME, with
 * all registers as they were but x16 and x17, which belong to whoever is between caller and callee.
 */
        .macro  entry name
        .ifndef elsewhere_\name
        .globl  greenify_\name
        .type   greenify_\name, %function
        .hidden in_hub_\name
        .p2align 4
greenify_\name:
        .cfi_startproc
        .ifdef  shared_\name
        adrp    x16, hub_ever
        ldrb    w16, [x16, #:lo12:hub_ever]
        .else
        mrs     x17, tpidr_el0
        adrp    x16, :gottprel:hub_of_thread
        ldr     x16, [x16, #:gottprel_lo12:hub_of_thread]
        ldr     x16, [x17, x16]
        .endif
        cbnz    x16, 0f
        .ifdef  found_\name
        adrp    x16, function_\name
        ldr     x16, [x16, #:lo12:function_\name]
        .else
        adrp    x16, :got:\name
        ldr     x16, [x16, #:got_lo12:\name]
        .endif
        br      x16
0:      b       in_hub_\name
        .cfi_endproc
        .size   greenify_\name, . - greenify_\name
        .endif
        .endm

#include "../hooks.inc"

        .section .note.GNU-stack, "", %progbits

/* SPDX-License-Identifier: MIT
 *
 * The entries of the hooks, greenify_NAME. In a thread without a hub: a test and a jump to NAME, with
 * all registers as they were but r11, which belongs to nobody in a call.
 */
        .macro  entry name
        .ifndef elsewhere_\name
        .globl  greenify_\name
        .type   greenify_\name, @function
        .hidden in_hub_\name
        .p2align 4
greenify_\name:
        .cfi_startproc
        .ifdef  shared_\name
        cmpb    $0, hub_ever(%rip)
        .else
        movq    hub_of_thread@gottpoff(%rip), %r11
        cmpq    $0, %fs:(%r11)
        .endif
        jne     in_hub_\name
        .ifdef  found_\name
        jmpq    *function_\name(%rip)
        .else
        jmpq    *\name@GOTPCREL(%rip)
        .endif
        .cfi_endproc
        .size   greenify_\name, . - greenify_\name
        .endif
        .endm

#include "../hooks.inc"

        .section .note.GNU-stack, "", @progbits

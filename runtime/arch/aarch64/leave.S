/* SPDX-License-Identifier: MIT
 *
 * void green_context_leave(const struct context *to)
 * The second half of green_context_switch().
 */
#include "frame.inc"

        .text
        .globl  green_context_leave
        .hidden green_context_leave
        .type   green_context_leave, %function
        .p2align 4
green_context_leave:
        .cfi_startproc
        hint    #34                     // bti c
        ldr     x10, [x0]               // to->sp
        mov     sp, x10
        .cfi_def_cfa sp, 176
        .cfi_offset x29, -176
        .cfi_offset x30, -168
        ldr     x11, [sp, #160]
        mrs     x9, fpcr
        cmp     x11, x9
        b.eq    1f
        msr     fpcr, x11
1:      pop_registers
        mov     w0, #0                  // what green_context_switch() returns
        ret
        .cfi_endproc
        .size   green_context_leave, . - green_context_leave

        .section .note.GNU-stack, "", %progbits

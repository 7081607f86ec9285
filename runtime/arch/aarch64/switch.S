/* SPDX-License-Identifier: MIT
 *
 * int green_context_switch(struct context *from, const struct context *to)
 * The frame is drawn in context.h. Both stacks have the same layout at the exchange, so the CFI
 * stays right across it, and a debugger can unwind a suspended flow.
 */
#include "frame.inc"

        .section .text.hot, "ax", %progbits
        .globl  green_context_switch
        .hidden green_context_switch
        .type   green_context_switch, %function
        .p2align 4
green_context_switch:
        .cfi_startproc
        hint    #34                     // bti c
        push_registers
        mrs     x9, fpcr
        str     x9, [sp, #160]

        mov     x10, sp
        str     x10, [x0]               // from->sp
        ldr     x10, [x1]               // to->sp
        mov     sp, x10

        ldr     x11, [sp, #160]
        cmp     x11, x9                 // writing FPCR is slow; it seldom differs
        b.eq    1f
        msr     fpcr, x11
1:      pop_registers
        mov     w0, #0
        ret
        .cfi_endproc
        .size   green_context_switch, . - green_context_switch

        .section .note.GNU-stack, "", %progbits

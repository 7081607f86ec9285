/* SPDX-License-Identifier: MIT
 *
 * void green_context_leave(const struct context *to)
 * The second half of green_context_switch().
 */
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
1:      ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        mov     w0, #0                  // what green_context_switch() returns
        ldp     x29, x30, [sp], #176
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        ret
        .cfi_endproc
        .size   green_context_leave, . - green_context_leave

        .section .note.GNU-stack, "", %progbits

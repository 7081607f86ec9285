/* SPDX-License-Identifier: MIT
 *
 * int registers_lost(int (*call)(void), uint64_t seed): fills the callee-saved registers (x19 to
 * x28, d8 to d15) from the seed, calls, and returns how many of them have changed.
 */
        .text
        .globl  registers_lost
        .type   registers_lost, %function
        .macro  compare reg, offset
        add     x10, x9, #\offset
        cmp     \reg, x10
        cinc    w0, w0, ne
        .endm
        .macro  compare_d reg, offset
        fmov    x11, \reg
        compare x11, \offset
        .endm
registers_lost:
        .cfi_startproc
        stp     x29, x30, [sp, #-176]!
        .cfi_def_cfa_offset 176
        .cfi_offset x29, -176
        .cfi_offset x30, -168
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        str     x1, [sp, #160]          // the seed
        .irp    n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
        add     x\n, x1, #\n
        .endr
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        add     x9, x1, #\n
        fmov    d\n, x9
        .endr
        blr     x0
        ldr     x9, [sp, #160]
        mov     w0, wzr
        .irp    n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
        compare x\n, \n
        .endr
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        compare_d d\n, \n
        .endr
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x29, x30, [sp], #176
        ret
        .cfi_endproc
        .size   registers_lost, . - registers_lost

        .section .note.GNU-stack, "", %progbits

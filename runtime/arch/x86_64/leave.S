/* SPDX-License-Identifier: MIT
 *
 * void green_context_leave(const struct context *to)
 * The second half of green_context_switch(). A new flow began with a jump, so that the return
 * predictor is still where it was then: a return suits whoever ran at that time.
 */
#include "frame.inc"

        .text
        .globl  green_context_leave
        .hidden green_context_leave
        .type   green_context_leave, @function
        .p2align 4
green_context_leave:
        .cfi_startproc
        endbr64
        movq    (%rdi), %rsp            # to->sp
        .cfi_def_cfa %rsp, 64
        .cfi_offset %rbp, -16
        .cfi_offset %rbx, -24
        .cfi_offset %r12, -32
        .cfi_offset %r13, -40
        .cfi_offset %r14, -48
        .cfi_offset %r15, -56
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        pop_registers
        xorl    %eax, %eax              # what green_context_switch() returns
        leaq    green_context_entry(%rip), %rcx
        cmpq    (%rsp), %rcx
        je      1f
        ret
1:      addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        notrack jmp *%rcx
        .cfi_endproc
        .size   green_context_leave, . - green_context_leave

        .section .note.GNU-stack, "", @progbits

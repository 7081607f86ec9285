/* SPDX-License-Identifier: MIT
 *
 * int green_context_switch(struct context *from, const struct context *to)
 * The frame is drawn in context.h. Both stacks have the same layout at the exchange, so the CFI
 * stays right across it, and a debugger can unwind a suspended flow.
 */
#include "frame.inc"

        .section .text.hot, "ax", @progbits
        .globl  green_context_switch
        .hidden green_context_switch
        .type   green_context_switch, @function
        .p2align 4
green_context_switch:
        .cfi_startproc
        endbr64
        movq    (%rsp), %rdx            # return address
        push_registers
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)                  # modes, not flags: the callee must preserve them
        fnstcw  4(%rsp)
        movzwl  4(%rsp), %ecx

        movq    %rsp, (%rdi)            # from->sp
        movq    (%rsi), %rsp            # to->sp

        ldmxcsr (%rsp)
        cmpw    4(%rsp), %cx            # loading the control word is slow; it seldom differs
        jne     3f
1:      addq    $8, %rsp
        .cfi_remember_state
        .cfi_adjust_cfa_offset -8
        pop_registers
        xorl    %eax, %eax
        cmpq    (%rsp), %rdx
        jne     2f
        ret                             # both called from one place: the return predictor is right
2:      popq    %rcx                    # elsewhere it expects the other flow: a jump
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        notrack jmp *%rcx

3:      .cfi_restore_state
        fldcw   4(%rsp)
        jmp     1b
        .cfi_endproc
        .size   green_context_switch, . - green_context_switch

        .section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT
 *
 * int registers_lost(int (*call)(void), uint64_t seed): fills the callee-saved registers from the
 * seed, calls, and returns how many of them have changed.
 */
        .text
        .globl  registers_lost
        .type   registers_lost, @function
        .macro  compare reg, offset
        leaq    \offset(%rsi), %rcx
        xorl    %edx, %edx
        cmpq    %rcx, \reg
        setne   %dl
        addl    %edx, %eax
        .endm
registers_lost:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        pushq   %rsi                    # the seed; aligns sp to 16 too
        .cfi_adjust_cfa_offset 8
        leaq    1(%rsi), %rbp
        leaq    2(%rsi), %rbx
        leaq    3(%rsi), %r12
        leaq    4(%rsi), %r13
        leaq    5(%rsi), %r14
        leaq    6(%rsi), %r15
        callq   *%rdi
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        xorl    %eax, %eax
        compare %rbp, 1
        compare %rbx, 2
        compare %r12, 3
        compare %r13, 4
        compare %r14, 5
        compare %r15, 6
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        retq
        .cfi_endproc
        .size   registers_lost, . - registers_lost

        .section .note.GNU-stack, "", @progbits

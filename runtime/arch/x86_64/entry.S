/* SPDX-License-Identifier: MIT
 *
 * void green_context_entry(void): the outermost frame of a flow. context_prepare() left the function
 * in r12 and its argument in r13, and green_context_end, which is no function but a place here, as
 * its return address. That is undefined to unwinders: backtraces end here, and a C++ exception that
 * nobody catches ends in std::terminate().
 */
        .text
        .globl  green_context_entry, green_context_end
        .hidden green_context_entry, green_context_end
        .type   green_context_entry, @function
        .p2align 4
green_context_entry:
        .cfi_startproc
        .cfi_undefined %rip
        endbr64
        xorl    %ebp, %ebp              # end of the chain of frame pointers
        movq    %r13, %rdi
        notrack jmp *%r12
green_context_end:
        ud2                             # the function does not return
        .cfi_endproc
        .size   green_context_entry, . - green_context_entry

        .section .note.GNU-stack, "", @progbits

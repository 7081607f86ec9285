/* SPDX-License-Identifier: MIT
 *
 * void green_context_entry(void): the outermost frame of a flow. context_prepare() left the function
 * in x19 and its argument in x20. The return address is undefined to unwinders: backtraces end here,
 * and a C++ exception that nobody catches ends in std::terminate().
 */
        .text
        .globl  green_context_entry
        .hidden green_context_entry
        .type   green_context_entry, %function
        .p2align 4
green_context_entry:
        .cfi_startproc
        .cfi_undefined x30
        hint    #36                     // bti j
        mov     x29, xzr                // end of the chain of frame records
        mov     x30, xzr
        mov     x0, x20
        blr     x19
        brk     #1                      // the function does not return
        .cfi_endproc
        .size   green_context_entry, . - green_context_entry

        .section .note.GNU-stack, "", %progbits

/* SPDX-License-Identifier: MIT
 *
 * A suspended flow of control on x86-64 (System V psABI). What the caller of a function may rely on
 * is kept on the flow's own stack; the context is just the stack pointer below it:
 *
 *      sp -> | MXCSR, x87 control word |   8 bytes: SSE and x87 modes survive a call (psABI 3.2.1)
 *            | r15 | r14 | r13 | r12   |
 *            | rbx | rbp               |
 *            | return address          |
 *
 * Processors predict returns from the calls that they saw. The routines here keep that right where
 * they can: between flows that suspended at one place, and from the end of a flow to whoever was
 * running when it began.
 */
#ifndef GREEN_ARCH_CONTEXT_H
#define GREEN_ARCH_CONTEXT_H

#include <stdint.h>

struct context {
    void *sp;
};

struct context_frame {
    uint32_t mxcsr;
    uint16_t x87_control;
    uint16_t unused;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    void (*resume)(void); /* return address */
    void (*end)(void);    /* of a new flow: the return address of its function */
};

/* Suspends the running flow into *from and resumes *to. Returns 0 once somebody resumes it, so that
 * who calls it last can return so too. */
int green_context_switch(struct context *from, const struct context *to);

/* Resumes *to; the running flow is over. Never returns, which the compiler is not told: it would make
 * a call of what is to be a jump. */
void green_context_leave(const struct context *to);

/* The first return address of a new flow: goes to r12 with r13, which would return to the second. */
void green_context_entry(void);
void green_context_end(void);

/* Makes *context begin with function(argument) on the stack that ends at `top` (exclusive, aligned
 * to 16). function must not return. */
static inline void context_prepare(struct context *context, void *top, void (*function)(void *),
                                   void *argument)
{
    struct context_frame *frame = (struct context_frame *)top - 1;

    *frame = (struct context_frame){
        .mxcsr = 0x1f80, /* all exceptions masked, round to nearest: as at program start */
        .x87_control = 0x037f,
        .r12 = (uint64_t)(uintptr_t)function,
        .r13 = (uint64_t)(uintptr_t)argument,
        .resume = green_context_entry,
        .end = green_context_end,
    };
    context->sp = frame;
}

#endif

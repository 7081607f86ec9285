/* SPDX-License-Identifier: MIT
 *
 * A suspended flow of control on AArch64 (AAPCS64). What the caller of a function may rely on is
 * kept on the flow's own stack; the context is just the stack pointer below it:
 *
 *      sp -> | x29 | x30 |   frame record: frame pointer, return address
 *            | x19 ... x28 |
 *            | d8 ... d15 |  the lower halves of v8 to v15 (AAPCS64 6.1.2)
 *            | FPCR | - |
 */
#ifndef GREEN_ARCH_CONTEXT_H
#define GREEN_ARCH_CONTEXT_H

#include <stdint.h>

struct context {
    void *sp;
};

struct context_frame {
    uint64_t x29;
    void (*resume)(void); /* x30 */
    uint64_t x19, x20, x21, x22, x23, x24, x25, x26, x27, x28;
    double d8, d9, d10, d11, d12, d13, d14, d15;
    uint64_t fpcr, unused;
};

/* Suspends the running flow into *from and resumes *to. Returns 0 once somebody resumes it, so that
 * who calls it last can return so too. */
int green_context_switch(struct context *from, const struct context *to);

/* Resumes *to; the running flow is over. Never returns, which the compiler is not told: on other
 * machines it would make a call of what is to be a jump. */
void green_context_leave(const struct context *to);

/* The first return address of a new flow: calls x19 with x20, and never returns. */
void green_context_entry(void);

/* Makes *context begin with function(argument) on the stack that ends at `top` (exclusive, aligned
 * to 16). function must not return. */
static inline void context_prepare(struct context *context, void *top, void (*function)(void *),
                                   void *argument)
{
    struct context_frame *frame = (struct context_frame *)top - 1;

    *frame = (struct context_frame){
        .resume = green_context_entry,
        .x19 = (uint64_t)(uintptr_t)function,
        .x20 = (uint64_t)(uintptr_t)argument,
        .fpcr = 0, /* round to nearest, no traps: as at program start */
    };
    context->sp = frame;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * The unwinder of libgcc walks the frames, and calls back before each. As libc does it loads that
 * library when it is first needed.
 *
 *      unwind -> frame, frame, frame with a buffer -> its handler -> unwind_next -> frame ... end
 */
#include "unwind.h"

#include "cancel.h"
#include "coroutine.h"
#include "sanitizer.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

static struct {
    __typeof__(_Unwind_ForcedUnwind) *force;
    __typeof__(_Unwind_GetCFA) *frame_of;
} unwinder;

_Noreturn static void die(const char *message)
{
    (void)!write(STDERR_FILENO, message, strlen(message));
    abort();
}

static void load_unwinder(void)
{
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW);

    if (library != NULL) {
        *(void **)&unwinder.force = dlsym(library, "_Unwind_ForcedUnwind");
        *(void **)&unwinder.frame_of = dlsym(library, "_Unwind_GetCFA");
    }
    if (unwinder.force == NULL || unwinder.frame_of == NULL)
        die("libgreen: pthread_exit and pthread_cancel need libgcc_s.so.1\n");
}

/* --- buffers ---------------------------------------------------------------------------------- */

/* libc's words for itself in a buffer: what we keep there, in the same place as it does. */
static __pthread_unwind_buf_t **outer(__pthread_unwind_buf_t *buffer)
{
    return (__pthread_unwind_buf_t **)&buffer->__pad[0];
}

void unwind_register(struct green *self, __pthread_unwind_buf_t *buffer)
{
    *outer(buffer) = self->cleanup;
    self->cleanup = buffer;
}

void unwind_unregister(struct green *self, __pthread_unwind_buf_t *buffer)
{
    self->cleanup = *outer(buffer);
}

/* It begins like a jmp_buf, and __sigsetjmp() filled it without a signal mask. */
_Noreturn static void run_handler(__pthread_unwind_buf_t *buffer)
{
    longjmp((struct __jmp_buf_tag *)(void *)buffer, 1);
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Before each frame. The buffer is a variable of the frame that has just been left when the stack
 * pointer of the next one is above it; its memory is not in use yet by anybody else. Where nothing
 * is known of a frame, what is beyond it is passed over, as in libc. */
static _Unwind_Reason_Code visit(int version, _Unwind_Action actions,
                                 _Unwind_Exception_Class exception_class,
                                 struct _Unwind_Exception *exception,
                                 struct _Unwind_Context *context, void *argument)
{
    struct green *self = argument;
    bool end = (actions & _UA_END_OF_STACK) != 0;

    (void)version;
    (void)exception_class;
    (void)exception;
    if (self->cleanup != NULL && (end || unwinder.frame_of(context) > (uintptr_t)self->cleanup))
        run_handler(self->cleanup);
    if (end)
        coroutine_exit(self, self->result);
    return _URC_NO_REASON;
}

static void not_rethrown(_Unwind_Reason_Code reason, struct _Unwind_Exception *exception)
{
    (void)reason;
    (void)exception;
    die("FATAL: exception not rethrown\n");
}

_Noreturn static void walk(struct green *self)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load_unwinder);
    memset(&self->unwinding, 0, sizeof self->unwinding);
    self->unwinding.exception_cleanup = not_rethrown;
    sanitizer_stack_left();
    (void)unwinder.force(&self->unwinding, visit, self);
    die("libgreen: a coroutine cannot be unwound\n");
}

void unwind(struct green *self, void *result)
{
    self->result = result;
    cancel_ignore(self);
    walk(self);
}

void unwind_next(struct green *self, __pthread_unwind_buf_t *buffer)
{
    self->cleanup = *outer(buffer);
    walk(self);
}

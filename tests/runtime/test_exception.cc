/* SPDX-License-Identifier: MIT
 *
 * C++ exceptions: thrown and caught inside coroutines, with switches inside the handlers.
 */
#include "green.h"

#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

static int failures;

static void expect(bool holds, const char *what)
{
    if (!holds) {
        std::fprintf(stderr, "not so: %s\n", what);
        failures++;
    }
}

static void *catch_and_yield(void *argument)
{
    const std::string own = std::to_string(reinterpret_cast<std::intptr_t>(argument));

    for (int i = 0; i < 10; i++) {
        try {
            green_yield();
            throw std::runtime_error(own);
        } catch (const std::exception &outer) {
            green_yield();
            expect(std::uncaught_exceptions() == 0, "nothing is in flight inside a handler");
            try {
                throw std::logic_error("inner" + own);
            } catch (const std::logic_error &inner) {
                green_yield();
                expect(inner.what() == "inner" + own, "the inner exception is its own");
            }
            green_yield();
            try {
                throw; /* the one that is being handled here, not in another coroutine */
            } catch (const std::runtime_error &again) {
                expect(again.what() == own, "the exception thrown again is its own");
            } catch (...) {
                expect(false, "the exception thrown again has its type");
            }
            expect(outer.what() == own, "the outer exception is its own");
        }
    }
    expect(std::current_exception() == nullptr, "nothing is being handled at the end");
    return nullptr;
}

struct yields_while_unwinding {
    int *seen;
    ~yields_while_unwinding()
    {
        green_yield();
        *seen = std::uncaught_exceptions();
    }
};

static void *unwind_and_yield(void *)
{
    int seen = -1;

    try {
        yields_while_unwinding local{&seen};
        throw 1;
    } catch (int) {
    }
    expect(seen == 1, "the exception in flight is counted for its coroutine");
    return nullptr;
}

static void *see_none(void *)
{
    for (int i = 0; i < 5; i++) {
        expect(std::uncaught_exceptions() == 0, "others do not see an exception in flight");
        green_yield();
    }
    return nullptr;
}

static void run_all()
{
    green_t *g[8];

    for (std::intptr_t i = 0; i < 6; i++)
        g[i] = green_spawn(catch_and_yield, reinterpret_cast<void *>(i));
    g[6] = green_spawn(unwind_and_yield, nullptr);
    g[7] = green_spawn(see_none, nullptr);
    try {
        throw std::runtime_error("root");
    } catch (const std::exception &e) {
        for (green_t *each : g)
            expect(green_join(each, nullptr, -1) == 0, "a coroutine is joined");
        try {
            throw;
        } catch (const std::runtime_error &again) {
            expect(again.what() == std::string("root"), "the root's exception is its own");
        }
    }
}

/* A process that forked has a hub of its own, and its exceptions work as well. */
static void run_in_child()
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        failures = 0;
        run_all();
        _exit(failures == 0 ? 0 : 1);
    }
    waitpid(child, &status, 0);
    expect(status == 0, "exceptions work in the child of a fork");
}

static void *throw_out(void *)
{
    throw std::runtime_error("out of a coroutine");
}

static void leave_a_coroutine()
{
    std::set_terminate([] { _exit(7); });
    green_join(green_spawn(throw_out, nullptr), nullptr, -1);
    _exit(1);
}

/* Nobody catches: std::terminate(), not an unwinder that runs off the stack. */
static void run_uncaught()
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        leave_a_coroutine();
    waitpid(child, &status, 0);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 7, "an uncaught exception terminates");
}

int main()
{
    run_all();
    run_in_child();
    run_uncaught();
    return failures == 0 ? 0 : 1;
}

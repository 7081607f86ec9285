/* SPDX-License-Identifier: MIT
 *
 * A library in C++ that a program in C loads when it has coroutines already (test_late.c).
 */
#include <stdexcept>
#include <string>

/* Calls in the handler of an exception, and in that of another inside; then throws the first again.
 * Returns whether it came back. */
extern "C" int catch_and_call(int number, void (*call)(void))
{
    try {
        try {
            throw std::runtime_error(std::to_string(number));
        } catch (const std::runtime_error &) {
            call();
            try {
                throw number;
            } catch (int) {
                call();
            }
            call();
            throw;
        }
    } catch (const std::runtime_error &again) {
        return again.what() == std::to_string(number);
    }
}

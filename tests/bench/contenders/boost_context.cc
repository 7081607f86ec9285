/* SPDX-License-Identifier: MIT
 *
 * Boost.Context: the assembly routine under everything that Boost has of coroutines, in the form
 * that its documentation gives to programs.
 */
#include "contender.h"

#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <memory>
#include <utility>
#include <vector>

namespace
{
namespace context = boost::context;

/* A fiber is resumed with what suspended before it, so each keeps the one that it came from. */
void run_bare(long flows, long count)
{
    std::vector<context::fiber> others;

    for (long i = 1; i < flows; i++)
        others.emplace_back(std::allocator_arg, context::protected_fixedsize_stack(16384),
                            [](context::fiber &&from) {
                                for (;;)
                                    from = std::move(from).resume();
                                return std::move(from);
                            });
    for (long i = 0; i < count; i += 2 * (flows - 1)) /* there and back is two */
        for (auto &other : others)
            other = std::move(other).resume();
}

/* A fiber that runs once, on a stack of its own. */
void run_spawn(long flows, long count)
{
    std::vector<context::fiber> all;

    for (long i = 0; i < count; i += flows) {
        for (long k = 0; k < flows; k++)
            all.emplace_back(std::allocator_arg, context::protected_fixedsize_stack(65536),
                             [](context::fiber &&from) { return std::move(from); });
        for (auto &other : all)
            other = std::move(other).resume();
        all.clear();
    }
}
} // namespace

int main(int argc, char **argv)
{
    static const contender_measure measures[] = {
        {"bare", run_bare}, {"spawn", run_spawn}, {nullptr, nullptr}};

    return contender_main(argc, argv, measures);
}

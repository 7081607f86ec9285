/* SPDX-License-Identifier: MIT
 *
 * Boost.Fiber: a scheduler over Boost.Context.
 */
#include "contender.h"

#include <boost/fiber/all.hpp>
#include <memory>
#include <vector>

namespace
{
namespace fibers = boost::fibers;

template <typename Function> fibers::fiber start(Function function)
{
    return fibers::fiber(fibers::launch::post, std::allocator_arg,
                         boost::context::protected_fixedsize_stack(65536), function);
}

void run_yield(long flows, long count)
{
    std::vector<fibers::fiber> all;
    long rounds = count / flows;

    for (long i = 0; i < flows; i++)
        all.push_back(start([rounds] {
            for (long k = 0; k < rounds; k++)
                boost::this_fiber::yield();
        }));
    for (auto &fiber : all)
        fiber.join();
}

/* Each of a pair hands the turn to the other and waits for it. */
void run_wake(long flows, long count)
{
    fibers::mutex mutex;
    fibers::condition_variable turned;
    std::vector<fibers::fiber> pair;
    long turn = 0, rounds = count / flows;

    for (long self = 0; self < 2; self++)
        pair.push_back(start([&, self] {
            std::unique_lock<fibers::mutex> lock(mutex);

            for (long i = 0; i < rounds; i++) {
                turned.wait(lock, [&] { return turn == self; });
                turn = 1 - self;
                turned.notify_one();
            }
        }));
    for (auto &fiber : pair)
        fiber.join();
}

void run_spawn(long flows, long count)
{
    std::vector<fibers::fiber> all;

    for (long i = 0; i < count; i += flows) {
        for (long k = 0; k < flows; k++)
            all.push_back(start([] {}));
        for (auto &fiber : all)
            fiber.join();
        all.clear();
    }
}

void run_idle(long flows, long)
{
    std::vector<fibers::fiber> all;
    fibers::mutex mutex;
    fibers::condition_variable changed;
    bool over = false;

    all.reserve(static_cast<size_t>(flows));
    start([] {}).join();
    contender_stage("before");
    for (long i = 0; i < flows; i++)
        all.push_back(start([&] {
            std::unique_lock<fibers::mutex> lock(mutex);

            changed.wait(lock, [&] { return over; });
        }));
    boost::this_fiber::yield();
    contender_stage("waiting");
    over = true;
    changed.notify_all();
    for (auto &fiber : all)
        fiber.join();
    contender_stage("ended");
}
} // namespace

int main(int argc, char **argv)
{
    static const contender_measure measures[] = {{"yield", run_yield},
                                                 {"wake", run_wake},
                                                 {"spawn", run_spawn},
                                                 {"idle", run_idle},
                                                 {nullptr, nullptr}};

    return contender_main(argc, argv, measures);
}

#include "io/blocking_threads.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <semaphore>
#include <thread>

using namespace std::chrono_literals;
using epic::detail::BlockingFunction;
using epic::detail::BlockingOutcome;
using epic::io::BlockingThreads;

namespace {

constexpr auto kTimeout = 30s;

template <class R, class F>
std::shared_ptr<BlockingOutcome<R>> make_work(F function) {
  return std::make_shared<BlockingFunction<F, R>>(std::move(function));
}

struct ThreadsFixture {
  explicit ThreadsFixture(std::size_t threads_max)
      : threads({.threads_max = threads_max}, [this] { woken.release(); }) {}

  void start(BlockingThreads::Work work) {
    threads.start(std::move(work));
    threads.flush();
  }
  /// Waits until so many are back.
  std::vector<BlockingThreads::Work> await(std::size_t count) {
    std::vector<BlockingThreads::Work> ended;
    while (ended.size() < count) {
      for (auto& work : threads.take_ended()) ended.push_back(std::move(work));
      if (ended.size() < count && !woken.try_acquire_for(kTimeout)) FAIL(ended.size() << " of " << count << " ended");
    }
    return ended;
  }

  std::counting_semaphore<> woken{0};
  BlockingThreads threads;
};

}  // namespace

TEST_CASE("blocking threads: as many functions run at once as there are threads, and all come back", "[io][threads]") {
  constexpr std::size_t kThreads = 3;
  constexpr std::size_t kWorks = 20;
  std::counting_semaphore<> begun{0};
  std::counting_semaphore<> may_end{0};
  std::atomic<std::size_t> running{0};
  std::atomic<std::size_t> most{0};
  ThreadsFixture f(kThreads);
  for (std::size_t i = 0; i < kWorks; ++i)
    f.threads.start(make_work<std::size_t>([&, i] {
      const std::size_t now = ++running;
      for (std::size_t before = most; now > before && !most.compare_exchange_weak(before, now);) {
      }
      begun.release();
      may_end.acquire();
      --running;
      return i;
    }));
  f.threads.flush();
  for (std::size_t i = 0; i < kThreads; ++i) REQUIRE(begun.try_acquire_for(kTimeout));  // at the same time
  may_end.release(kWorks);
  std::vector<std::size_t> results;
  for (const auto& work : f.await(kWorks)) {
    auto& outcome = static_cast<BlockingOutcome<std::size_t>&>(*work).outcome;
    results.push_back(outcome.take());
  }
  std::ranges::sort(results);
  for (std::size_t i = 0; i < kWorks; ++i) CHECK(results.at(i) == i);
  CHECK(most == kThreads);
}

TEST_CASE("blocking threads: a thread that is idle is used again", "[io][threads]") {
  ThreadsFixture f(8);
  std::vector<std::thread::id> ids;
  for (int i = 0; i < 3; ++i) {
    const auto work = make_work<std::thread::id>([] { return std::this_thread::get_id(); });
    f.start(work);
    f.await(1);
    ids.push_back(work->outcome.take());
  }
  CHECK(ids[0] == ids[1]);
  CHECK(ids[1] == ids[2]);
  CHECK(ids[0] != std::this_thread::get_id());
}

TEST_CASE("blocking threads: what is abandoned before it begins comes back without having run", "[io][threads]") {
  std::atomic<bool> has_run{false};
  ThreadsFixture f(1);
  const auto work = make_work<void>([&has_run] { has_run = true; });
  f.threads.start(work);
  work->abandon();
  f.threads.flush();
  CHECK(f.await(1).front() == work);
  CHECK_FALSE(has_run);
}

TEST_CASE("blocking threads: an exception is kept for the one that waits", "[io][threads]") {
  ThreadsFixture f(1);
  const auto work = make_work<int>([]() -> int { throw std::out_of_range("too far"); });
  f.start(work);
  f.await(1);
  CHECK_THROWS_AS(work->outcome.take(), std::out_of_range);
}

TEST_CASE("blocking threads: their end waits for what runs", "[io][threads]") {
  std::binary_semaphore begun{0};
  std::binary_semaphore may_end{0};
  std::atomic<bool> has_ended{false};
  std::jthread opener;
  {
    ThreadsFixture f(1);
    f.start(make_work<void>([&] {
      begun.release();
      may_end.acquire();
      has_ended = true;
    }));
    REQUIRE(begun.try_acquire_for(kTimeout));
    opener = std::jthread([&may_end] { may_end.release(); });
  }
  CHECK(has_ended);
}

TEST_CASE("blocking threads: while a function runs, the thread is known to be its entity's", "[io][threads]") {
  std::vector<std::string> owners;  // on the one thread
  std::counting_semaphore<> woken{0};
  BlockingThreads threads({.threads_max = 1,
                           .on_owner =
                               [&owners](const epic::detail::BlockingWork* work) {
                                 owners.push_back(work == nullptr ? "" : work->entity + "." + work->method);
                               }},
                          [&woken] { woken.release(); });
  const auto work = make_work<std::size_t>([&owners] { return owners.size(); });
  work->entity = "Pottery/a";
  work->method = "fire";
  threads.start(work);
  threads.flush();
  REQUIRE(woken.try_acquire_for(kTimeout));
  CHECK(owners == std::vector<std::string>{"Pottery/a.fire", ""});
  CHECK(work->outcome.take() == 1);
}

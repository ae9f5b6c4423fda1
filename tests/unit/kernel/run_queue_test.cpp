#include <algorithm>
#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "kernel/scheduler.hpp"
#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using epic::detail::Waiter;
using testing_entities::Counter;

namespace {

RecordRef make_start() { return RecordRef(Ref<Counter>("a")->add(1).epic_take_record().detach()); }

/// An object of the user's that wakes frames when it goes, like an epic::Promise.
class Waker {
 public:
  Waker(RunQueue& queue, std::vector<Waiter>& waiters) : queue_(&queue), waiters_(waiters) {}
  Waker(Waker&& other) noexcept : queue_(std::exchange(other.queue_, nullptr)), waiters_(other.waiters_) {}
  Waker& operator=(Waker&&) = delete;
  ~Waker() {
    if (queue_ == nullptr) return;
    for (Waiter& waiter : waiters_) queue_->push_resume(waiter);
  }

 private:
  RunQueue* queue_;
  std::vector<Waiter>& waiters_;
};

Task<void> hold(Waker waker) {
  static_cast<void>(waker);
  co_return;
}

}  // namespace

TEST_CASE("run queue: calls and frames have their turn in order", "[kernel]") {
  RunQueue queue;
  Waiter waiter;
  const RecordRef first = make_start();
  queue.push_start(first);
  queue.push_resume(waiter);
  CHECK(waiter.queue_place != 0);
  CHECK(queue.pop().record.get() == first.get());
  CHECK(queue.pop().waiter == &waiter);
  CHECK(waiter.queue_place == 0);
  CHECK(queue.empty());
}

TEST_CASE("run queue: frames that are destroyed before their turn, in any order, are skipped", "[kernel]") {
  RunQueue queue;
  std::vector<Waiter> waiters(100);
  const RecordRef last = make_start();
  for (Waiter& waiter : waiters) queue.push_resume(waiter);
  queue.push_start(last);
  for (int i = 0; i < 10; ++i) static_cast<void>(queue.pop());
  for (std::size_t i = 99; i >= 10; --i)
    if (i != 50) queue.drop(waiters[i]);
  queue.drop(waiters[5]);  // has had its turn
  CHECK(queue.pop().waiter == &waiters[50]);
  queue.push_resume(waiters[5]);
  CHECK(queue.pop().record.get() == last.get());
  CHECK(queue.pop().waiter == &waiters[5]);
  CHECK(queue.empty());
}

TEST_CASE("run queue: calls that have not begun go away with their activation", "[kernel]") {
  RunQueue queue;
  Activation activation;
  const RecordRef starts = make_start();
  const RecordRef runs = make_start();
  const RecordRef other = make_start();
  starts->activation = runs->activation = &activation;
  Waiter waiter{.handle = {}, .execution = runs.get()};
  queue.push_start(starts);
  queue.push_resume(waiter);
  queue.push_start(other);
  queue.drop_starts_of(activation);
  CHECK(queue.pop().waiter == &waiter);
  CHECK(queue.pop().record.get() == other.get());
  CHECK(queue.empty());
}

TEST_CASE("run queue: what goes with a call that is dropped may add to the queue", "[kernel]") {
  RunQueue queue;
  Activation activation;
  std::vector<Waiter> waiters(400);
  RecordRef task(new detail::TaskRecord<void>(hold(Waker(queue, waiters))));
  task->activation = &activation;
  queue.push_start(std::move(task));
  std::vector<RecordRef> others;
  for (int i = 0; i < 200; ++i) {
    others.push_back(make_start());
    others.back()->activation = &activation;
    queue.push_start(others.back());
  }
  queue.drop_starts_of(activation);
  CHECK(std::ranges::all_of(others, [](const RecordRef& other) { return other->refs == 1; }));
  for (Waiter& waiter : waiters) REQUIRE(queue.pop().waiter == &waiter);
  CHECK(queue.empty());
}

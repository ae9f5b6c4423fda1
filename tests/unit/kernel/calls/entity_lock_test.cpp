#include "kernel/entity_lock.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <random>
#include <vector>

#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Counter;
using Mode = EntityLock::Mode;

namespace {

RecordRef make_record() {
  static std::uint64_t next_sequence = 1;
  RecordRef record(Ref<Counter>("a")->add(1).epic_take_record().detach());
  record->sequence = next_sequence++;
  return record;
}

}  // namespace

TEST_CASE("entity lock: calls that wait are served in order, and shared ones together", "[kernel]") {
  EntityLock lock;
  const RecordRef first = make_record();
  const RecordRef second = make_record();
  const RecordRef third = make_record();
  const RecordRef fourth = make_record();
  REQUIRE(lock.try_take(*first, Mode::exclusive));
  CHECK_FALSE(lock.try_take(*second, Mode::shared));
  lock.wait(second, Mode::shared);
  lock.wait(third, Mode::shared);
  lock.wait(fourth, Mode::exclusive);
  CHECK(lock.first_waiting() == second.get());

  CHECK(lock.release(*first).size() == 2);
  CHECK(lock.first_waiting() == fourth.get());
  CHECK(lock.release(*second).empty());
  CHECK(lock.release(*third).size() == 1);
  CHECK(fourth->holds_lock);
  CHECK(lock.first_waiting() == nullptr);
}

TEST_CASE("entity lock: a shared call does not pass an exclusive one that waits", "[kernel]") {
  EntityLock lock;
  const RecordRef reader = make_record();
  const RecordRef writer = make_record();
  const RecordRef later = make_record();
  REQUIRE(lock.try_take(*reader, Mode::shared));
  lock.wait(writer, Mode::exclusive);
  CHECK_FALSE(lock.try_take(*later, Mode::shared));
  lock.wait(later, Mode::shared);
  writer->state = Record::State::ended;
  CHECK(lock.leave(*writer).size() == 1);
  CHECK(later->holds_lock);
}

TEST_CASE("entity lock: calls that stop waiting, in any order, are skipped and do not count", "[kernel]") {
  EntityLock lock;
  const RecordRef holder = make_record();
  REQUIRE(lock.try_take(*holder, Mode::exclusive));
  std::vector<RecordRef> waiting;
  for (int i = 0; i < 1000; ++i) {
    waiting.push_back(make_record());
    lock.wait(waiting.back(), Mode::exclusive);
  }
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    const std::size_t k = i * 7 % waiting.size();
    if (k % 100 == 99) continue;
    waiting[k]->state = Record::State::ended;
    CHECK(lock.leave(*waiting[k]).empty());
    CHECK(waiting[k]->refs <= 2);
  }
  CHECK(lock.waiting_count() == 10);
  Record* holds = holder.get();
  for (std::size_t k = 99; k < waiting.size(); k += 100) {
    CHECK(lock.first_waiting() == waiting[k].get());
    const auto granted = lock.release(*holds);
    REQUIRE(granted.size() == 1);
    CHECK(granted.front().get() == waiting[k].get());
    holds = waiting[k].get();
  }
  CHECK(lock.waiting_count() == 0);
  for (const RecordRef& record : waiting) CHECK(record->refs == 1);
}

TEST_CASE("entity lock: whatever calls do, the next is the first that still waits", "[kernel]") {
  std::mt19937 random(5);
  EntityLock lock;
  RecordRef holder;
  std::deque<RecordRef> waiting;
  for (int step = 0; step < 20'000; ++step) {
    const bool is_growing = step / 2'000 % 2 == 0;
    const unsigned what = static_cast<unsigned>(random() % 8);
    if (what < (is_growing ? 5u : 2u)) {
      RecordRef record = make_record();
      if (lock.try_take(*record, Mode::exclusive)) {
        holder = record;
      } else {
        lock.wait(record, Mode::exclusive);
        waiting.push_back(record);
      }
    } else if (what < 7 && !waiting.empty()) {
      const auto at = waiting.begin() + static_cast<std::ptrdiff_t>(random() % waiting.size());
      (*at)->state = Record::State::ended;
      REQUIRE(lock.leave(**at).empty());
      waiting.erase(at);
    } else if (holder) {
      const std::vector<RecordRef> granted = lock.release(*holder);
      REQUIRE(granted.size() == (waiting.empty() ? 0 : 1));
      holder = {};
      if (granted.empty()) continue;
      REQUIRE(granted.front().get() == waiting.front().get());
      holder = granted.front();
      waiting.pop_front();
    }
    REQUIRE(lock.waiting_count() == waiting.size());
    REQUIRE(lock.first_waiting() == (waiting.empty() ? nullptr : waiting.front().get()));
  }
}

TEST_CASE("entity lock: a call that stops waiting frees a bounded number of those that have stopped before it",
          "[kernel]") {
  EntityLock lock;
  const RecordRef holder = make_record();
  REQUIRE(lock.try_take(*holder, Mode::exclusive));
  std::vector<RecordRef> waiting;
  for (int i = 0; i < 4'000; ++i) {
    waiting.push_back(make_record());
    lock.wait(waiting.back(), Mode::exclusive);
  }
  const auto freed_count = [&] {
    return std::ranges::count_if(waiting, [](const RecordRef& record) { return record->refs == 1; });
  };
  std::ptrdiff_t before = 0;
  std::ptrdiff_t most = 0;
  for (std::size_t i = 1; i < waiting.size(); ++i) {
    waiting[i]->state = Record::State::ended;
    REQUIRE(lock.leave(*waiting[i]).empty());
    const std::ptrdiff_t now = freed_count();
    most = std::max(most, now - before);
    before = now;
  }
  CHECK(most <= 8);
  CHECK(before > 3'000);
  CHECK(lock.waiting_count() == 1);
  CHECK(lock.release(*holder).size() == 1);
}

TEST_CASE("entity lock: many share it, and each gives it back", "[kernel]") {
  EntityLock lock;
  std::vector<RecordRef> readers;
  for (int i = 0; i < 100; ++i) {
    readers.push_back(make_record());
    REQUIRE(lock.try_take(*readers.back(), Mode::shared));
  }
  CHECK(lock.holder_count() == 100);
  const RecordRef writer = make_record();
  lock.wait(writer, Mode::exclusive);
  for (std::size_t i = 0; i + 1 < readers.size(); ++i) CHECK(lock.release(*readers[i]).empty());
  CHECK(lock.find_holder() == readers.back().get());
  CHECK(lock.release(*readers.back()).size() == 1);
  CHECK(lock.find_holder() == writer.get());
}

#include "kernel/calls/wait_graph.hpp"

#include <catch2/catch.hpp>

#include <vector>

#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Counter;

namespace {

/// A caller, and calls that it has made.
struct WaitGraphFixture {
  Scheduler scheduler;
  TypeTable types;
  CallTable table;
  CallWords words{{NodeId{1}, 11}, 1'000'000'000, types, scheduler};
  WaitGraph graph{table, words};
  std::vector<RecordRef> records;
  std::uint64_t next_sequence = 1;

  ~WaitGraphFixture() {
    static_cast<void>(graph.forget(SIZE_MAX));
    for (const RecordRef& record : records)
      if (record->is_listed) end(*record);
  }
  Record& make(Record* caller) {
    RecordRef record(Ref<Counter>("x")->add(1).epic_take_record().detach());
    record->sequence = next_sequence++;
    record->caller = caller;
    record->state = Record::State::running;
    record->deadline_ns = INT64_MAX;
    record->has_custom_deadline = record->sequence % 3 == 0;
    table.add(*record);
    records.push_back(record);
    return *record;
  }
  void end(Record& record) {
    record.state = Record::State::ended;
    record.caller = nullptr;
    table.remove(record);
    record.release();
  }
  std::vector<const Record*> list_made_by(const Record& caller) const {
    std::vector<const Record*> made;
    graph.for_each_made_by(caller, [&](const Record& one) { made.push_back(&one); });
    return made;
  }
};

}  // namespace

TEST_CASE("wait graph: what is gathered in slices is complete, though calls end and begin meanwhile", "[kernel]") {
  WaitGraphFixture f;
  Record& caller = f.make(nullptr);
  std::vector<Record*> passing;
  std::size_t stays = 0;
  for (int i = 0; i < 500; ++i) {
    Record& made = f.make(&caller);
    i % 5 == 0 ? static_cast<void>(++stays) : passing.push_back(&made);
  }
  f.graph.begin();
  for (std::size_t slice = 0; !f.graph.gather(10); ++slice) {
    REQUIRE(slice < 100);  // new calls do not prolong it
    for (int i = 0; i < 20 && !passing.empty(); ++i) {
      f.end(*passing.back());
      passing.pop_back();
      f.make(&caller);
    }
    if (!passing.empty()) {  // also those that it has just looked at, and is about to look at
      f.end(*passing.front());
      passing.erase(passing.begin());
    }
  }
  std::size_t found = 0;
  for (const Record* made : f.list_made_by(caller)) {
    CHECK(made->is_listed);
    if (made->sequence <= 501) ++found;
  }
  CHECK(found == stays);
}

TEST_CASE("wait graph: a call that has ended since is not visited, and a call that waits is found by its number",
          "[kernel]") {
  WaitGraphFixture f;
  Record& caller = f.make(nullptr);
  Record& first = f.make(&caller);
  Record& second = f.make(&caller);
  second.state = Record::State::locked_out;
  f.graph.begin();
  REQUIRE(f.graph.gather(SIZE_MAX));
  CHECK(f.list_made_by(caller) == std::vector<const Record*>{&first, &second});
  CHECK(f.graph.find(f.words.id_of(second)) == &second);
  CHECK(f.graph.find(f.words.id_of(first)) == nullptr);
  f.end(first);
  CHECK(f.list_made_by(caller) == std::vector<const Record*>{&second});
}

TEST_CASE("wait graph: it lets go of its calls in slices, too", "[kernel]") {
  WaitGraphFixture f;
  Record& caller = f.make(nullptr);
  Record& last = f.make(&caller);
  for (int i = 0; i < 10; ++i) f.make(&caller);
  f.graph.begin();
  REQUIRE(f.graph.gather(SIZE_MAX));
  CHECK(last.refs == 3);
  CHECK_FALSE(f.graph.forget(5));
  CHECK_FALSE(f.graph.forget(5));
  CHECK(f.graph.forget(5));
  CHECK(last.refs == 2);
}

#include "kernel/calls/call_table.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <random>
#include <utility>

#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Counter;

TEST_CASE("call table: whatever ends meanwhile, the call with the first deadline is found, the oldest of equal ones",
          "[kernel]") {
  constexpr int kSteps = 5'000;
  constexpr std::size_t kCallsMax = 60;
  const char* const given = std::getenv("EPIC_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  INFO("EPIC_SEED=" << seed);
  std::mt19937_64 random(seed);
  CallTable table;
  std::map<std::pair<std::int64_t, std::uint64_t>, RecordRef> calls;  // by deadline, and by sequence
  std::int64_t deadline_ns = 1;
  const auto end = [&](auto call) {
    table.remove(*call->second);
    call->second->release();
    calls.erase(call);
  };
  for (int step = 1; step <= kSteps; ++step) {
    if (random() % 4 == 0) deadline_ns = static_cast<std::int64_t>(1 + random() % 10);  // or that of the call before
    RecordRef record(Ref<Counter>("x")->add(1).epic_take_record().detach());
    record->sequence = static_cast<std::uint64_t>(step);
    record->has_custom_deadline = true;
    record->deadline_ns = deadline_ns;
    table.add(*record);
    calls.emplace(std::pair(deadline_ns, record->sequence), std::move(record));
    while (!calls.empty() && (calls.size() == kCallsMax || random() % 2 == 0)) {
      const auto chosen = static_cast<std::ptrdiff_t>(random() % 3 == 0 ? 0 : random() % calls.size());
      end(std::next(calls.begin(), chosen));
    }
    REQUIRE(table.size() == calls.size());
    REQUIRE(table.find_expired(INT64_MAX) == (calls.empty() ? nullptr : calls.begin()->second.get()));
    REQUIRE(table.next_deadline_ns().value_or(0) == (calls.empty() ? 0 : calls.begin()->first.first));
  }
  while (!calls.empty()) end(calls.begin());
}

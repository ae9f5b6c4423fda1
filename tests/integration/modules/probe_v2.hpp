#pragma once
// The next version of the classes in probe.hpp.

#include <cstdint>
#include <epic/epic.hpp>
#include <vector>

namespace probe_v2 {

class Counter : public epic::Entity {
  std::int64_t value = 0;
  std::vector<std::int64_t> seen;
  std::int64_t doublings = 0;

 public:
  epic::Task<std::int64_t> add(std::int64_t amount) { co_return value += amount; }
  epic::Task<std::int64_t> get() const { co_return value; }
  epic::Task<void> see(std::int64_t number) {
    seen.push_back(number);
    co_return;
  }
  epic::Task<std::vector<std::int64_t>> list_seen() const { co_return seen; }
  epic::Task<std::int64_t> doubled() {
    ++doublings;
    co_return 2 * value;
  }
  epic::Task<std::int64_t> count_doublings() const { co_return doublings; }
  EPIC_ENTITY(Counter, state(value, seen, doublings), methods(add, get, see, list_seen, doubled, count_doublings))
};

class Relay : public epic::Entity {
 public:
  epic::Task<std::int64_t> add_to(std::vector<epic::Ref<Counter>> counters, std::int64_t amount) {
    std::int64_t sum = 0;
    for (const auto& counter : counters) sum += co_await counter->add(amount);
    co_return sum;
  }
  epic::Task<std::int64_t> doubled(epic::Ref<Counter> counter) const { co_return co_await counter->doubled(); }
  epic::Task<std::int64_t> version() const { co_return 2; }
  EPIC_ENTITY(Relay, methods(add_to, doubled, version), transient)
};

}  // namespace probe_v2

#include "kernel/calls/call_budget.hpp"

#include <catch2/catch.hpp>

using namespace epic::kernel;

TEST_CASE("call budget: beyond the memory of frames and records every call is refused", "[kernel]") {
  const CallBudget roomy(1u << 30, 0);
  CHECK_FALSE(roomy.may_be_short());
  CHECK(roomy.why_refused(5, /*is_new_work=*/true).empty());
  const CallBudget full(0, 0);
  CHECK(full.may_be_short());
  CHECK_THAT(full.why_refused(5, /*is_new_work=*/false), Catch::Contains("the 5 calls in flight"));
}

TEST_CASE("call budget: well beyond the node's memory budget new work is refused, and nothing else", "[kernel]") {
  constexpr std::uint64_t kBudget = 100u << 20;
  CallBudget budget(1u << 30, kBudget);
  budget.on_memory(kBudget + limits::kMemorySlackMin);
  CHECK_FALSE(budget.may_be_short());
  budget.on_memory(kBudget + limits::kMemorySlackMin + 1);
  CHECK(budget.may_be_short());
  CHECK_THAT(budget.why_refused(5, /*is_new_work=*/true), Catch::Contains("memory_budget is 100 MiB"));
  CHECK(budget.why_refused(5, /*is_new_work=*/false).empty());
  budget.on_memory(kBudget);
  CHECK_FALSE(budget.may_be_short());
}

#include "cli/project/fault_shrinker.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

using namespace epic::cli;

namespace {

FaultNumbers numbers_below(std::int64_t end) {
  FaultNumbers all;
  for (std::int64_t number = 0; number < end; ++number) all.push_back(number);
  return all;
}

}  // namespace

TEST_CASE("fault shrinker: finds exactly the faults that are needed, and asks about no set twice", "[cli]") {
  std::mt19937 random(GENERATE(range(0U, 50U)));
  const FaultNumbers all = numbers_below(1 + static_cast<std::int64_t>(random() % 40));
  FaultNumbers needed;
  for (const std::int64_t fault : all)
    if (random() % 8 == 0) needed.push_back(fault);

  std::set<FaultNumbers> asked;
  const auto shrunk = shrink_faults(all, [&](const FaultNumbers& faults) -> Result<bool> {
    CHECK(asked.insert(faults).second);
    return std::ranges::includes(faults, needed);
  });
  REQUIRE(shrunk);
  CHECK(*shrunk == needed);
}

TEST_CASE("fault shrinker: no single fault of the result can be spared, even where fewer faults do more harm",
          "[cli]") {
  const auto fails = [](const FaultNumbers& faults) -> Result<bool> {
    std::int64_t sum = 0;
    for (const std::int64_t fault : faults) sum += fault;
    return !faults.empty() && sum % 3 == 0;
  };
  FaultNumbers shrunk = *shrink_faults(numbers_below(28), fails);
  REQUIRE(fails(shrunk));
  for (std::size_t i = 0; i < shrunk.size(); ++i) {
    FaultNumbers fewer = shrunk;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK_FALSE(*fails(fewer));
  }
}

TEST_CASE("fault shrinker: two or three faults are found where leaving out more of the others spares none", "[cli]") {
  const auto [count, many, few] = GENERATE(table<std::int64_t, FaultNumbers, FaultNumbers>({
      {28, {1, 5, 9, 13, 17, 21, 25}, {4, 20}},
      {10, {0, 2, 3, 5, 6, 8, 9}, {1, 4, 7}},
      {60, {7, 20, 21, 40}, {33}},
      {28, {1, 5, 9, 13, 17, 21, 25}, {5, 13, 21}},
  }));
  const auto shrunk = shrink_faults(numbers_below(count), [&](const FaultNumbers& faults) -> Result<bool> {
    return std::ranges::includes(faults, many) || faults == few;
  });
  REQUIRE(shrunk);
  CHECK(*shrunk == few);
}

TEST_CASE("fault shrinker: the search for few faults ends when its runs are used up", "[cli]") {
  const FaultNumbers needed = {3, 29, 31, 64, 77};
  std::size_t runs = 0;
  std::size_t runs_of_fewer = 0;  // than are needed
  const auto shrunk = shrink_faults(numbers_below(100), [&](const FaultNumbers& faults) -> Result<bool> {
    ++runs;
    if (faults.size() <= 3) ++runs_of_fewer;
    return std::ranges::includes(faults, needed);
  });
  REQUIRE(shrunk);
  CHECK(*shrunk == needed);
  CHECK(runs_of_fewer >= kFewFaultsRunsMax);
  CHECK(runs < kFewFaultsRunsMax + 300);
}

TEST_CASE("fault shrinker: a failure without any fault is found at once", "[cli]") {
  int runs = 0;
  const auto shrunk = shrink_faults(numbers_below(100), [&](const FaultNumbers&) -> Result<bool> {
    ++runs;
    return true;
  });
  CHECK(shrunk->empty());
  CHECK(runs == 1);
}

TEST_CASE("fault shrinker: an error ends the search", "[cli]") {
  const auto shrunk = shrink_faults(
      numbers_below(9), [](const FaultNumbers&) -> Result<bool> { return fail({.what = "no such program"}); });
  REQUIRE_FALSE(shrunk);
  CHECK(shrunk.error().what == "no such program");
}

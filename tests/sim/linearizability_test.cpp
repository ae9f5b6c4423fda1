#include "support/linearizability.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

using epic::test::CellOperation;
using epic::test::find_contradiction;
using Kind = CellOperation::Kind;

namespace {

CellOperation done(Kind kind, std::int64_t argument, std::int64_t called_ns, std::int64_t returned_ns,
                   std::int64_t result) {
  return {.kind = kind, .argument = argument, .called_ns = called_ns, .returned_ns = returned_ns, .result = result};
}
CellOperation unknown(Kind kind, std::int64_t argument, std::int64_t called_ns) {
  return {.kind = kind, .argument = argument, .called_ns = called_ns};
}
bool is_good(const std::vector<CellOperation>& history) { return !find_contradiction(history); }

}  // namespace

TEST_CASE("linearizability: operations one after the other have to agree", "[sim]") {
  CHECK(is_good({}));
  CHECK(is_good({done(Kind::add, 1, 0, 10, 1), done(Kind::read, 0, 20, 30, 1), done(Kind::swap, 7, 40, 50, 1)}));
  CHECK_FALSE(is_good({done(Kind::add, 1, 0, 10, 1), done(Kind::read, 0, 20, 30, 0)}));  // stale
  CHECK_FALSE(is_good({done(Kind::add, 1, 0, 10, 1), done(Kind::add, 1, 20, 30, 1)}));   // lost
  CHECK_FALSE(is_good({done(Kind::add, 1, 0, 10, 1), done(Kind::add, 1, 20, 30, 3)}));   // done twice
  CHECK_FALSE(is_good({done(Kind::read, 0, 0, 10, 1), done(Kind::add, 1, 20, 30, 1)}));  // seen before it was called
}

TEST_CASE("linearizability: operations that overlap may take effect in either order", "[sim]") {
  CHECK(is_good({done(Kind::add, 1, 0, 30, 3), done(Kind::add, 2, 10, 40, 2)}));
  CHECK(is_good({done(Kind::swap, 5, 0, 100, 0), done(Kind::read, 0, 10, 20, 0), done(Kind::read, 0, 30, 40, 5)}));
  // Once somebody has seen the new value, nobody may see the old one.
  CHECK_FALSE(
      is_good({done(Kind::swap, 5, 0, 100, 0), done(Kind::read, 0, 10, 20, 5), done(Kind::read, 0, 30, 40, 0)}));
  CHECK_FALSE(is_good({done(Kind::add, 1, 0, 30, 1), done(Kind::add, 2, 10, 40, 2)}));  // two activations
}

TEST_CASE("linearizability: an unknown outcome may be an effect, now or later, or none", "[sim]") {
  const CellOperation lost = unknown(Kind::add, 10, 0);
  CHECK(is_good({lost, done(Kind::read, 0, 20, 30, 0)}));
  CHECK(is_good({lost, done(Kind::read, 0, 20, 30, 10)}));
  CHECK(is_good({lost, done(Kind::read, 0, 20, 30, 0), done(Kind::read, 0, 40, 50, 10)}));
  CHECK_FALSE(is_good({lost, done(Kind::read, 0, 20, 30, 10), done(Kind::read, 0, 40, 50, 0)}));
  CHECK_FALSE(is_good({lost, done(Kind::read, 0, 20, 30, 20)}));                      // twice
  CHECK_FALSE(is_good({done(Kind::read, 0, 0, 5, 10), unknown(Kind::add, 10, 20)}));  // before its call
}

TEST_CASE("linearizability: what a cell does is accepted, and a change of one result of it is not", "[sim]") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<CellOperation> history;
    std::int64_t value = 0;
    for (int i = 0; i < 200; ++i) {  // each takes effect at 100 * i, and overlaps with some before and after it
      const auto kind = static_cast<Kind>(random() % 3);
      const auto argument = static_cast<std::int64_t>(1 + random() % 1000);
      const std::int64_t former = value;
      value = kind == Kind::add ? value + argument : kind == Kind::swap ? argument : value;
      const std::int64_t at = 100 * i;
      CellOperation operation =
          done(kind, argument, at - static_cast<std::int64_t>(random() % 400),
               at + 1 + static_cast<std::int64_t>(random() % 400), kind == Kind::swap ? former : value);
      if (random() % 20 == 0) operation.result.reset();
      history.push_back(operation);
    }
    CHECK(is_good(history));
    const auto spoilt = static_cast<std::size_t>(random() % history.size());
    if (!history[spoilt].result) continue;
    *history[spoilt].result += 5'000'000;
    CHECK_FALSE(is_good(history));
  }
}

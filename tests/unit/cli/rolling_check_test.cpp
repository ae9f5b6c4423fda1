#include "cli/project/rolling_check.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using epic::cli::find_disagreement;

namespace {

boost::json::value module(std::string_view types) {
  return boost::json::parse(R"({"abi":"x","types":[)" + std::string(types) + "]}");
}

const auto kHero = module(R"({"type":"Hero","formerly":[]},{"type":"Barrel","formerly":[]})");

}  // namespace

TEST_CASE("rolling check: unchanged, new and removed classes may run side by side", "[cli]") {
  CHECK(find_disagreement(kHero, kHero).empty());
  CHECK(find_disagreement(kHero, module(R"({"type":"Hero","formerly":[]},{"type":"Match","formerly":[]})")).empty());
  CHECK(find_disagreement(kHero, module("")).empty());
}

TEST_CASE("rolling check: a renamed class that keeps its oldest name may run beside its previous version", "[cli]") {
  const auto player = module(R"({"type":"Player","formerly":["Hero"]})");
  CHECK(find_disagreement(kHero, player).empty());
  CHECK(find_disagreement(player, module(R"({"type":"Champion","formerly":["Player","Hero"]})")).empty());
}

TEST_CASE("rolling check: a class with another oldest name must not run beside its previous version", "[cli]") {
  const auto player = module(R"({"type":"Player","formerly":["Hero"]})");
  const std::string forgotten = find_disagreement(player, module(R"({"type":"Player","formerly":[]})"));
  CHECK(forgotten == "the oldest name of class Player is Hero in the running module, but Player in the new one");
  const std::string older = find_disagreement(kHero, module(R"({"type":"Hero","formerly":["Knight"]})"));
  CHECK(older == "the oldest name of class Hero is Hero in the running module, but Knight in the new one");
}

TEST_CASE("rolling check: a class in another group must not run beside its previous version", "[cli]") {
  const auto alone = module(R"({"type":"Hero","stored_as":"Hero","group":"Hero"})");
  const auto together = module(R"({"type":"Hero","stored_as":"Hero","group":"Room"})");
  CHECK(find_disagreement(together, together).empty());
  CHECK(find_disagreement(kHero, alone).empty());  // described by an older epic
  CHECK(find_disagreement(alone, together) ==
        "class Hero shares the tags of Hero in the running module, but those of Room in the new one");
  CHECK_FALSE(find_disagreement(together, alone).empty());
}

#include "cli/output/suggest.hpp"

#include <catch2/catch.hpp>

using namespace epic::cli;

TEST_CASE("suggest: a near word is offered, a far one is not", "[cli]") {
  const std::vector<std::string> words = {"get_score", "enter_level", "inspect"};
  CHECK(find_near("get_scroe", words) == "get_score");
  CHECK(find_near("Inspect", words) == "inspect");
  CHECK(find_near("enter", words) == "enter_level");
  CHECK(find_near("zzz", words).empty());
  CHECK(find_near("", words).empty());
}

TEST_CASE("suggest: lists end in words", "[cli]") {
  const std::vector<std::string> words = {"a", "b", "c"};
  CHECK(listing(words) == "a, b and c");
  CHECK(alternatives(words) == "a, b or c");
  CHECK(listing(words, 2) == "a, b and 1 more");
}

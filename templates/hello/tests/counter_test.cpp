#include "counter.hpp"

#include <catch2/catch.hpp>
#include <epic/testing.hpp>

TEST_CASE("counter: starts at zero and adds up") {
  epic::testing::Node node;
  auto counter = node.get<Counter>("visits");

  CHECK(node.call(counter->get()) == 0);
  CHECK(node.call(counter->add(2)) == 2);
  CHECK(node.call(counter->add(3)) == 5);
}

TEST_CASE("counter: every key has its own value") {
  epic::testing::Node node;
  node.call(node.get<Counter>("apples")->add(2));

  CHECK(node.call(node.get<Counter>("pears")->get()) == 0);
}

TEST_CASE("counter: survives a crash") {
  epic::testing::Node node;
  auto counter = node.get<Counter>("visits");
  node.call(counter->add(2));

  node.crash();
  CHECK(node.call(counter->get()) == 2);
}

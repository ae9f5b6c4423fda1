#include "cluster/supervisor/setup_runner.hpp"

#include <catch2/catch.hpp>

using namespace epic::cluster;
using epic::kernel::NodeId;

TEST_CASE("setup runner: setup runs once", "[cluster]") {
  SetupRunner setup;
  CHECK_FALSE(setup.try_begin(std::nullopt));
  CHECK(setup.state() == SetupState::none);
  CHECK(setup.try_begin(NodeId{2}) == NodeId{2});
  CHECK_FALSE(setup.try_begin(NodeId{3}));
  CHECK_FALSE(setup.on_done(NodeId{3}, ""));
  CHECK(setup.on_done(NodeId{2}, ""));
  CHECK(setup.state() == SetupState::done);
  CHECK_FALSE(setup.try_begin(NodeId{3}));
}

TEST_CASE("setup runner: if its node dies, another one runs it", "[cluster]") {
  SetupRunner setup;
  REQUIRE(setup.try_begin(NodeId{1}));
  CHECK_FALSE(setup.on_left(NodeId{2}));
  CHECK_FALSE(setup.on_left(NodeId{1}));
  CHECK(setup.state() == SetupState::running);
  CHECK(setup.try_begin(NodeId{2}) == NodeId{2});
}

TEST_CASE("setup runner: an exception fails it for good", "[cluster]") {
  SetupRunner setup;
  REQUIRE(setup.try_begin(NodeId{1}));
  CHECK(setup.on_done(NodeId{1}, "std::runtime_error: no"));
  CHECK(setup.state() == SetupState::failed);
  CHECK(setup.error() == "std::runtime_error: no");
  CHECK_FALSE(setup.try_begin(NodeId{1}));
}

TEST_CASE("setup runner: a setup that crashes every node is given up", "[cluster]") {
  SetupRunner setup;
  for (int attempt = 1; attempt < SetupRunner::kAttemptsMax; ++attempt) {
    REQUIRE(setup.try_begin(NodeId{1}));
    REQUIRE_FALSE(setup.on_left(NodeId{1}));
  }
  REQUIRE(setup.try_begin(NodeId{1}));
  CHECK(setup.on_left(NodeId{1}));
  CHECK(setup.state() == SetupState::failed);
}

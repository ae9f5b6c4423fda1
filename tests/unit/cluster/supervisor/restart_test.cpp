#include "cluster/supervisor/restart.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

using namespace epic::cluster;
using epic::kernel::NodeId;
using Kind = Restart::Order::Kind;

namespace {

constexpr Generation kOld{1};
constexpr Generation kNew{2};

/// Nodes that carry out their orders when step() is called.
struct RestartFixture {
  Restart restart;
  std::vector<Restart::Node> nodes;

  RestartFixture(RestartWay way, std::uint16_t count) : restart(way, kNew, members(count), NodeId(count + 1)) {
    for (const NodeId id : members(count)) nodes.push_back({id, kOld, true, true, true});
  }
  static std::vector<NodeId> members(std::uint16_t count) {
    std::vector<NodeId> ids;
    for (std::uint16_t i = 1; i <= count; ++i) ids.emplace_back(i);
    return ids;
  }

  Restart::Node& at(std::uint16_t number) {
    const auto found = std::ranges::find(nodes, NodeId{number}, &Restart::Node::id);
    if (found != nodes.end()) return *found;
    return nodes.emplace_back(Restart::Node{NodeId{number}, kOld});
  }
  void become_ready(std::uint16_t number, Generation generation) {
    at(number) = {NodeId{number}, generation, true, true, true};
  }
  void end(std::uint16_t number) { at(number).has_process = at(number).is_ready = false; }

  /// One step, as text: "try 3", "prepare 1", "drain 1", "start 1" …
  std::string step() {
    std::string text;
    for (const auto& [kind, node] : restart.step(nodes)) {
      static constexpr const char* kNames[] = {"try",       "prepare", "drain",  "stop",  "begin new",
                                               "begin old", "start",   "forget", "ready", "stopped"};
      if (!text.empty()) text += ", ";
      text += fmt::format("{} {}", kNames[static_cast<int>(kind)], node);
      Restart::Node& changed = at(node.value);
      if (kind == Kind::drain || kind == Kind::stop || kind == Kind::forget) changed.is_wanted = false;
      if (kind == Kind::start || kind == Kind::try_new) changed.is_wanted = changed.has_process = true;
      if (kind == Kind::begin_new || kind == Kind::begin_old) nodes.erase(nodes.end() - 1);
    }
    return text;
  }
};

}  // namespace

TEST_CASE("restart: rolling, an extra node tries the new module, then nodes are restarted one by one", "[cluster]") {
  RestartFixture f(RestartWay::rolling, 2);
  CHECK(f.step() == "try 3, prepare 1");
  CHECK(f.step() == "");  // nothing happens to the others before it is ready
  f.become_ready(3, kNew);
  CHECK(f.step() == "ready 3, drain 1, prepare 2");
  CHECK(f.step() == "");
  f.end(1);
  CHECK(f.step() == "stopped 1, start 1");
  CHECK(f.step() == "");
  f.become_ready(1, kNew);
  CHECK(f.step() == "ready 1, drain 2");
  f.end(2);
  CHECK(f.step() == "stopped 2, start 2");
  f.become_ready(2, kNew);
  CHECK(f.step() == "ready 2, drain 3, forget 3");
  CHECK(f.step() == "");
  CHECK_FALSE(f.restart.is_done());
  f.end(3);
  CHECK(f.step() == "stopped 3");
  CHECK(f.restart.is_done());
  CHECK_FALSE(f.restart.is_given_up());
  CHECK(f.restart.renewed() == 2);
}

TEST_CASE("restart: rolling, a crashed node returns with the new module and counts as done", "[cluster]") {
  RestartFixture f(RestartWay::rolling, 2);
  static_cast<void>(f.step());
  f.become_ready(3, kNew);
  CHECK(f.step() == "ready 3, drain 1, prepare 2");
  f.become_ready(2, kNew);
  f.end(1);
  CHECK(f.step() == "stopped 1, start 1");
  f.become_ready(1, kNew);
  CHECK(f.step() == "ready 1, ready 2, drain 3, forget 3");
}

TEST_CASE("restart: rolling, a crashed node that is waiting for its start is waited for", "[cluster]") {
  RestartFixture f(RestartWay::rolling, 1);
  static_cast<void>(f.step());
  f.end(1);
  f.become_ready(2, kNew);
  CHECK(f.step() == "ready 2");
  CHECK(f.step() == "");
  f.become_ready(1, kNew);
  CHECK(f.step() == "ready 1, drain 2, forget 2");
}

TEST_CASE("restart: a node that has gone with its machine is left out", "[cluster]") {
  RestartFixture rolling(RestartWay::rolling, 3);
  rolling.step();
  rolling.become_ready(4, kNew);
  rolling.step();
  rolling.end(1);
  rolling.step();
  rolling.become_ready(1, kNew);
  CHECK(rolling.step() == "ready 1, drain 2, prepare 3");
  for (const std::uint16_t gone : {1, 2}) rolling.at(gone) = {NodeId{gone}, kOld, false, false, false, false};
  CHECK(rolling.step() == "drain 3");

  RestartFixture alone(RestartWay::rolling, 1);
  alone.step();
  alone.at(1) = {NodeId{1}, kOld, false, false, false, false};
  CHECK(alone.step() == "");
  alone.become_ready(2, kNew);
  CHECK(alone.step() == "ready 2");  // and it stays
  CHECK(alone.restart.is_done());

  RestartFixture at_once(RestartWay::at_once, 2);
  at_once.step();
  at_once.end(1);
  at_once.end(2);
  at_once.at(2).has_machine = false;
  CHECK(at_once.step() == "stopped 1, begin new 0, start 1");
}

TEST_CASE("restart: rolling, no node is drained while none of the new generation is ready", "[cluster]") {
  RestartFixture f(RestartWay::rolling, 2);
  static_cast<void>(f.step());
  f.become_ready(3, kNew);
  CHECK(f.step() == "ready 3, drain 1, prepare 2");
  f.end(1);
  static_cast<void>(f.step());
  f.become_ready(1, kNew);
  f.end(3);
  CHECK(f.step() == "ready 1, drain 2");  // node-1 takes its shards
  RestartFixture g(RestartWay::rolling, 1);
  static_cast<void>(g.step());
  g.become_ready(2, kNew);
  g.at(1).is_ready = false;  // it crashes, and returns before the module was adopted
  CHECK(g.step() == "ready 2");
  g.become_ready(1, kOld);
  g.end(2);
  CHECK(g.step() == "");
  g.become_ready(2, kNew);
  CHECK(g.step() == "drain 1");
}

TEST_CASE("restart: rolling, a module that cannot start is given up, and the other nodes are left alone", "[cluster]") {
  RestartFixture f(RestartWay::rolling, 2);
  CHECK(f.step() == "try 3, prepare 1");
  CHECK(f.restart.try_give_up());
  CHECK(f.step() == "");  // until the extra node has ended
  f.end(3);
  CHECK(f.step() == "");
  CHECK(f.restart.is_done());
  CHECK(f.restart.is_given_up());
  CHECK_FALSE(f.restart.try_give_up());
}

TEST_CASE("restart: rolling, the nodes are to be told that they will end only when there is no way back", "[cluster]") {
  RestartFixture f(RestartWay::rolling, 2);
  static_cast<void>(f.step());
  CHECK_FALSE(f.restart.is_renewing());
  f.become_ready(3, kNew);
  static_cast<void>(f.step());
  CHECK(f.restart.is_renewing());
}

TEST_CASE("restart: rolling, there is no way back once the new module has been ready", "[cluster]") {
  RestartFixture f(RestartWay::rolling, 2);
  static_cast<void>(f.step());
  f.become_ready(3, kNew);
  static_cast<void>(f.step());
  CHECK_FALSE(f.restart.try_give_up());
}

TEST_CASE("restart: at once, all nodes stop before the first is started", "[cluster]") {
  RestartFixture f(RestartWay::at_once, 2);
  CHECK(f.step() == "stop 1, stop 2");
  CHECK(f.restart.is_stopping());
  f.end(2);
  CHECK(f.step() == "");
  f.end(1);
  CHECK(f.step() == "stopped 1, stopped 2, begin new 0, start 1, start 2");
  CHECK_FALSE(f.restart.is_stopping());
  f.become_ready(2, kNew);
  CHECK(f.step() == "");
  f.become_ready(1, kNew);
  CHECK(f.step() == "ready 1, ready 2");
  CHECK(f.restart.is_done());
}

TEST_CASE("restart: at once, if the new module cannot start, the previous one is used", "[cluster]") {
  RestartFixture f(RestartWay::at_once, 2);
  static_cast<void>(f.step());
  f.end(1);
  f.end(2);
  CHECK(f.step() == "stopped 1, stopped 2, begin new 0, start 1, start 2");
  f.end(1);
  CHECK(f.restart.try_give_up());
  CHECK(f.step() == "stop 1, stop 2");
  f.end(2);
  CHECK(f.step() == "stopped 1, stopped 2, begin old 0, start 1, start 2");
  CHECK_FALSE(f.restart.try_give_up());  // the previous one cannot start either: the caller reports that
  f.become_ready(1, kOld);
  f.become_ready(2, kOld);
  CHECK(f.step() == "ready 1, ready 2");
  CHECK(f.restart.is_done());
  CHECK(f.restart.is_given_up());
}

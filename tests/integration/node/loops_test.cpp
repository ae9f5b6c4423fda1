// Entities that loop, in real nodes: what runs for itself holds up nothing, and calls hold up everything together for
// one grace.

#include <fmt/format.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <future>
#include <iostream>

#include "epic/client.hpp"
#include "integration/modules/loops.hpp"
#include "integration/node/real_fabric.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::Ref;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using loops::Looper;
using loops::Ticker;
namespace json = boost::json;

namespace {

using Seconds = std::chrono::duration<double>;

Seconds time(std::string_view what, const std::function<void()>& work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  const Seconds took = std::chrono::steady_clock::now() - begun;
  std::cout << fmt::format("{}: {:.2f} s\n", what, took.count());
  return took;
}

void restart(const Supervised& fabric) {
  const auto done = fabric.connect().stream("restart", {{"rolling", true}}, [](const json::value&) { return true; });
  if (!done) FAIL(done.error().message);
}

/// Says what the fabric has said if that takes long.
Seconds stop(Supervised& fabric) {
  const Seconds took = time("stop", [&] {
    fabric.signal(SIGTERM);
    CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
  });
  if (took > 5s) std::cout << fabric.heard() << "\n";
  return took;
}

/// Makes a call, and makes it again if its node has died meanwhile.
template <class Make>
auto insist(const Client& client, Make make) {
  while (true) try {
      return client.call(make());
    } catch (const epic::NodeLost&) {
    }
}

/// Calls that should not end by themselves.
class Running {
 public:
  void call(const Client& client, const std::string& key) {
    const auto ended = std::make_shared<std::promise<void>>();  // shared with the callback, which must be copyable
    client.async_call(client.get<Looper>(key).with(1h)->run(), [ended](epic::CallResult<void> result) {
      try {
        result.get();
        ended->set_value();
      } catch (...) {
        ended->set_exception(std::current_exception());
      }
    });
    calls_.emplace_back(key, ended->get_future());
  }
  void check_interrupted() {
    for (auto& [key, call] : calls_)
      CHECK_THROWS_WITH(call.get(), Catch::StartsWith(fmt::format("Looper/{}.run was interrupted", key)));
    calls_.clear();
  }

 private:
  std::vector<std::pair<std::string, std::future<void>>> calls_;
};

}  // namespace

TEST_CASE("loops: twelve entities that loop for themselves hold up neither restart nor drain nor stop", "[node]") {
  constexpr auto kGrace = 30s;
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("loops", 3, [&](auto& options) { options.fabric.grace = kGrace; })};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  std::vector<std::int64_t> acknowledged(12);
  const auto start_all = [&] {
    for (std::size_t i = 0; i < acknowledged.size(); ++i) {
      const std::int64_t count = client.call(client.get<Looper>(i)->get());
      CHECK(count >= acknowledged[i]);
      client.call(client.get<Looper>(i)->start());
      acknowledged[i] = client.call(client.get<Looper>(i)->tick());
    }
  };
  start_all();
  CHECK(time("rolling restart", [&] { restart(fabric); }) < kGrace);
  start_all();
  CHECK(time("drain", [&] { fabric.ask("drain", {{"node", "node-2"}}); }) < kGrace);
  start_all();
  CHECK(stop(fabric) < kGrace / 5 * 4);
}

TEST_CASE("loops: calls that do not end hold up a rolling restart for one grace, whatever node they run on", "[node]") {
  constexpr auto kGrace = 3s;
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("loops", 3, [&](auto& options) { options.fabric.grace = kGrace; })};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  const Seconds usual = time("rolling restart, nothing runs", [&] { restart(fabric); });
  Running running;
  for (int i = 0; i < 12; ++i) running.call(client, fmt::format("{}", i));
  std::promise<std::int64_t> careful;
  client.async_call(client.get<Looper>("careful").with(1h)->run_until_stopping(),
                    [&](epic::CallResult<std::int64_t> result) { careful.set_value(result.get()); });
  client.call(client.get<Looper>("careful")->get());
  const Seconds took = time("rolling restart, calls run", [&] { restart(fabric); });
  CHECK(took < usual + 2 * kGrace);
  running.check_interrupted();
  CHECK(careful.get_future().get() > 0);  // it has returned by itself
  for (int i = 0; i < 12; ++i) CHECK(client.call(client.get<Looper>(i)->get()) > 0);
  for (int i = 0; i < 12; ++i) running.call(client, fmt::format("{}", i));
  client.call(client.get<Looper>(0)->get());
  CHECK(time("drain, calls run", [&] { fabric.ask("drain", {{"node", "node-1"}}); }) < usual + 2 * kGrace);
  CHECK(stop(fabric) < 2 * kGrace);
  running.check_interrupted();
}

TEST_CASE("loops: on_deactivate that does not end holds up a rolling restart, and a drain, for one grace", "[node]") {
  constexpr auto kGrace = 4s;
  constexpr int kLingerers = 64;
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("loops", 4, [&](auto& options) { options.fabric.grace = kGrace; })};
  fabric.wait_for("ready 4 nodes");
  const Client client = Client::connect(project.path().string());
  const Seconds usual = time("rolling restart, nothing lingers", [&] { restart(fabric); });
  const auto wake_all = [&] {
    for (int i = 0; i < kLingerers; ++i) client.call(client.get<loops::Lingerer>(i)->touch());
  };
  wake_all();
  CHECK(time("rolling restart", [&] { restart(fabric); }) < usual + 3 * kGrace);  // not one for each of five nodes
  fabric.wait_for(".on_deactivate was interrupted: its shard is moving, and what runs there had 4 s to end");
  wake_all();
  CHECK(time("drain", [&] { fabric.ask("drain", {{"node", "node-2"}}); }) < usual + 2 * kGrace);
}

TEST_CASE("loops: timers tick on every node, hold up nothing, and begin again after a crash", "[node]") {
  constexpr auto kGrace = 30s;
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("loops", 3, [&](auto& options) { options.fabric.grace = kGrace; })};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  std::vector<std::int64_t> seen(12);
  const auto check_ticking = [&](std::int64_t activations_min) {
    for (std::size_t i = 0; i < seen.size(); ++i) {
      const Ref<Ticker> ticker(i);
      CHECK(insist(client, [&] { return ticker->wait_for_tenth(); }) >= std::max<std::int64_t>(seen[i], 10));
      CHECK(client.call(ticker->get_activations()) >= activations_min);
      seen[i] = client.call(ticker->get());
    }
  };
  check_ticking(1);
  const json::object shown = fabric.ask("inspect", {{"entity", "Ticker/0"}});
  CHECK(shown.at("activation") == "first");
  REQUIRE(shown.at("timers").as_array().size() == 1);  // the other was due once
  CHECK(shown.at("timers").at(0).at("method") == "tick");
  CHECK(shown.at("timers").at(0).at("every_ms") == 20);
  CHECK(time("rolling restart", [&] { restart(fabric); }) < kGrace);
  check_ticking(2);
  fabric.ask("kill", {{"node", "node-2"}});
  check_ticking(2);
  CHECK(stop(fabric) < kGrace);
}

TEST_CASE("loops: an entity knows whether the node before has died", "[node]") {
  using epic::ActivationCause;
  const ProjectDirectory project;
  constexpr int kTickers = 12;
  const auto run = [&](const std::function<void(Supervised&, const Client&)>& work) {
    Supervised fabric{project, "unused", real_nodes("loops", 3)};
    fabric.wait_for("ready 3 nodes");
    work(fabric, Client::connect(project.path().string()));
  };
  const auto check_causes = [&](const Client& client, ActivationCause cause) {
    for (int i = 0; i < kTickers; ++i) CHECK(insist(client, [&] { return Ref<Ticker>(i)->get_cause(); }) == cause);
  };
  run([&](Supervised& fabric, const Client& client) {
    check_causes(client, ActivationCause::first);
    restart(fabric);
    check_causes(client, ActivationCause::moved);
    // The first has its shards again, in order, before the next dies; no entity has been called meanwhile.
    for (std::size_t node = 0; node < 3; ++node) {
      fabric.ask("kill", {{"node", fmt::format("node-{}", node + 1)}});
      fabric.wait_for_ps("it has shards again", [&](const json::object& ps) {
        const auto& shown = ps.at("nodes").at(node);
        return shown.at("restarts") == 1 && shown.at("state") == "ready" && shown.at("shards").to_number<int>() > 0;
      });
    }
    check_causes(client, ActivationCause::crashed);
    stop(fabric);
  });
  run([&](Supervised& fabric, const Client& client) {
    check_causes(client, ActivationCause::moved);
    fabric.signal(SIGKILL);
    fabric.wait_for_end();
  });
  run([&](Supervised& fabric, const Client& client) {
    check_causes(client, ActivationCause::crashed);
    stop(fabric);
  });
}

TEST_CASE("loops: a call is cancelled on another node", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("loops", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  for (int i = 0; i < 6; ++i) {  // on the same node, and on others
    const Ref<Looper> other(100 + i);
    CHECK(client.call(Ref<Looper>(i)->run_for_a_while(other)));
    CHECK(client.call(other->wait_until_still()) > 0);
  }
  CHECK(stop(fabric) < 5s);  // less than the grace: nothing runs any more
}

TEST_CASE("loops: a node whose turn does not end is killed when it has to leave", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("loops", 2, [](auto& options) { options.fabric.grace = 1s; })};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  const auto block = [&] {
    client.async_call(client.get<Looper>("x").with(1h)->block(), [](const epic::CallResult<void>&) {});
    fabric.wait_for("has been in one turn for");
  };
  block();
  restart(fabric);
  fabric.wait_for("had not stopped in time");
  block();
  fabric.signal(SIGTERM);
  CHECK_THAT(fabric.wait_for_error(), Catch::Contains("ended before everything was saved"));
  CHECK(fabric.wait_for_end() == epic::cluster::kExitFailed);
}

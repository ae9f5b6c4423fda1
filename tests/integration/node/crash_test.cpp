// Clients that count what they were told, while everything under them is killed, paused, drained and scaled.
//
// EPIC_FAULTS says how many faults (a few by default), EPIC_SEED which; both are printed.

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <thread>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Counter;
namespace json = boost::json;

namespace {

constexpr int kCounters = 1'000;
constexpr int kCallers = 8;
constexpr std::uint64_t kCallsBetweenFaults = 100;
constexpr auto kPatience = 60s;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Threads that add one to a random counter, again and again, and remember how each call ended.
class Callers {
 public:
  Callers(const Client& client, std::uint64_t seed) {
    for (std::uint64_t i = 0; i < kCallers; ++i)
      threads_.emplace_back([this, client, seed, i](const std::stop_token& stop) { run(client, seed + i, stop); });
  }
  void finish() { threads_.clear(); }

  /// Since the beginning: what was acknowledged.
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t unknown() const { return unknown_; }
  [[nodiscard]] std::int64_t acknowledged(std::size_t counter) const { return tallies_[counter].acknowledged; }
  [[nodiscard]] std::int64_t unknown(std::size_t counter) const { return tallies_[counter].unknown; }

 private:
  struct Tally {
    std::atomic<std::int64_t> acknowledged = 0;
    std::atomic<std::int64_t> unknown = 0;  // NodeLost or Timeout: it may have run
  };

  void run(const Client& client, std::uint64_t seed, const std::stop_token& stop) {
    std::mt19937_64 random(seed);
    while (!stop.stop_requested()) {
      const std::size_t counter = random() % kCounters;
      try {
        client.call(client.get<Counter>(static_cast<std::int64_t>(counter))->add(1));
        ++tallies_[counter].acknowledged;
        ++acknowledged_;
      } catch (const epic::Unavailable&) {  // did not start
      } catch (const epic::Overloaded&) {
      } catch (const epic::Error&) {
        ++tallies_[counter].unknown;
        ++unknown_;
      }
    }
  }

  std::array<Tally, kCounters> tallies_;
  std::atomic<std::uint64_t> acknowledged_ = 0;
  std::atomic<std::uint64_t> unknown_ = 0;
  std::vector<std::jthread> threads_;
};

/// A fabric to which things happen.
class Victim {
 public:
  Victim(const ProjectDirectory& project, std::uint64_t seed) : project_(project), random_(seed) { start(); }

  /// Says what it did.
  std::string suffer() {
    const std::string node = fmt::format("node-{}", random_() % 4 + 1);
    switch (random_() % 6) {
      case 0:
      case 1:
        try_ask("kill", {{"node", node}});
        return "kill " + node;
      case 2:
        try_ask("pause", {{"node", node}});
        ::poll(nullptr, 0, static_cast<int>(random_() % 100));  // how long it hangs, in ms
        try_ask("resume", {{"node", node}});
        return "pause " + node;
      case 3:
        if (random_() % 2 == 0) try_ask("drain", {{"node", node}});
        try_ask("scale", {{"nodes", random_() % 4 + 2}});
        return "drain and scale";
      case 4:  // goes on while the next faults come
        static_cast<void>(
            fabric_->connect().stream("restart", {{"rolling", true}}, [](const json::value&) { return false; }));
        return "rolling restart";
      default:
        restart_supervisor();
        return "kill the supervisor";
    }
  }

 private:
  void start() {
    fabric_.emplace(project_, "unused", real_nodes("probe", 4, [](auto& options) {
                      options.restart = {.delay_first = 10ms, .delay_max = 100ms, .forget_after = 1s};
                    }));
    fabric_->wait_for("ready 4 nodes");
  }
  /// What cannot be done just now (a node without a process, for one) is no fault.
  void try_ask(std::string_view verb, json::object body) {
    const auto answer = fabric_->connect().request(verb, std::move(body));
    if (!answer && answer.error().code != epic::cluster::ControlErrorCode::failed &&
        answer.error().code != epic::cluster::ControlErrorCode::not_found)
      FAIL(verb << ": " << answer.error().message);
  }
  void restart_supervisor() {
    const std::vector<pid_t> nodes = fabric_->list_node_pids();
    fabric_->signal(SIGKILL);
    CHECK(fabric_->wait_for_end() == 128 + SIGKILL);
    for (const pid_t node : nodes) epic::test::wait_for_death(node);
    project_.wait_until_nothing_is_left();
    start();
  }

  const ProjectDirectory& project_;
  std::mt19937_64 random_;
  std::optional<Supervised> fabric_;
};

}  // namespace

TEST_CASE("crash: what a client was told is there, whatever happens to nodes and supervisors", "[node]") {
  const std::uint64_t seed = number_from("EPIC_SEED", std::random_device()());
  const std::uint64_t faults = number_from("EPIC_FAULTS", 12);
  std::cout << fmt::format("EPIC_SEED={} EPIC_FAULTS={}\n", seed, faults);
  CAPTURE(seed);
  const ProjectDirectory project;
  Victim victim(project, seed);
  const Client client = Client::connect(project.path().string(), {.call_deadline = 20s});
  Callers callers(client, seed);
  for (std::uint64_t fault = 0; fault < faults; ++fault) {
    const std::string what = victim.suffer();
    const std::uint64_t before = callers.acknowledged();
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (callers.acknowledged() < before + kCallsBetweenFaults) {
      if (std::chrono::steady_clock::now() > deadline) FAIL("after '" << what << "' nothing is answered any more");
      std::this_thread::yield();
    }
  }
  callers.finish();
  std::cout << fmt::format("{} faults, {} acknowledged, {} unknown\n", faults, callers.acknowledged(),
                           callers.unknown());
  for (std::size_t i = 0; i < kCounters; ++i) {
    const std::int64_t value = client.call(client.get<Counter>(static_cast<std::int64_t>(i))->get());
    if (value >= callers.acknowledged(i) && value <= callers.acknowledged(i) + callers.unknown(i)) continue;
    FAIL_CHECK("Counter/" << i << " is " << value << ", and " << callers.acknowledged(i) << " were acknowledged, "
                          << callers.unknown(i) << " unknown");
  }
}

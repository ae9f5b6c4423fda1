// A fabric of several machines whose epic is replaced by another version, one machine after the other, while calls go
// on.

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "storage/open_store.hpp"
#include "support/postgres_server.hpp"

using namespace std::chrono_literals;
using epic::test::PostgresServer;
using epic::test::ProjectDirectory;
using epic::test::Supervised;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr int kShared = 8;  // counters that are added to

/// Callers in a process of their own, each through one of the machines: they repeat what was not answered, under the
/// same idempotency key.
class Callers {
 public:
  struct Said {
    std::int64_t acknowledged = 0;
    std::int64_t repeated = 0;
  };

  explicit Callers(const std::vector<fs::path>& machines) {
    std::array<int, 2> end{};
    std::array<int, 2> said{};
    REQUIRE(::pipe(end.data()) == 0);
    REQUIRE(::pipe(said.data()) == 0);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      ::close(end[1]);
      const Said all = call_until(machines, end[0]);
      ::_exit(::write(said[1], &all, sizeof all) == sizeof all ? 0 : 1);
    }
    ::close(end[0]);
    ::close(said[1]);
    end_ = end[1];
    said_ = said[0];
  }
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;
  ~Callers() {
    if (end_ >= 0) static_cast<void>(end());
    ::waitpid(process_, nullptr, 0);
    ::close(said_);
  }

  /// Each ends its last call before.
  Said end() {
    REQUIRE(::write(end_, "", 1) == 1);  // closing would not do: processes that were forked since have it, too
    ::close(std::exchange(end_, -1));
    Said all;
    REQUIRE(::read(said_, &all, sizeof all) == sizeof all);
    return all;
  }

 private:
  static Said call_until(const std::vector<fs::path>& machines, int end) {
    std::atomic<bool> is_over = false;
    std::atomic<std::int64_t> acknowledged = 0;
    std::atomic<std::int64_t> repeated = 0;
    const auto call = [&](std::size_t caller) {
      std::optional<epic::Client> client;
      for (int number = 0; !is_over; ++number) {
        const std::string key = fmt::format("{}-{}", caller, number);
        for (bool is_done = false; !is_done;) {
          try {
            if (!client) client.emplace(epic::Client::connect(machines[caller % machines.size()].string()));
            static_cast<void>(client->call(client->get<probe::Counter>(std::to_string(number % kShared))->add(1),
                                           {.idempotency_key = key}));
            is_done = true;
            ++acknowledged;
          } catch (const epic::Error&) {
            ++repeated;
            client.reset();  // its machine may be away
            ::poll(nullptr, 0, 20);
          }
        }
      }
    };
    std::vector<std::thread> threads;
    for (std::size_t caller = 0; caller < 2 * machines.size(); ++caller) threads.emplace_back(call, caller);
    char byte = 0;
    static_cast<void>(::read(end, &byte, 1));
    is_over = true;
    for (std::thread& thread : threads) thread.join();
    return {acknowledged, repeated};
  }

  pid_t process_ = -1;
  int end_ = -1;
  int said_ = -1;
};

/// Three machines on this host.
struct UpgradedFabric {
  static constexpr std::size_t kMachines = 3;

  void start(std::size_t machine, const std::string& version) {
    machines[machine].emplace(*directories[machine], "unused",
                              epic::test::real_nodes("probe", 2, [this, machine, version](auto& options) {
                                options.project_directory = directories[0]->path();
                                if (machine > 0) options.run_directory = directories[machine]->path();
                                options.joins = machine > 0;
                                options.version = version;
                                options.store = epic::storage::locate_store(url, options.project_directory / ".epic");
                                options.coordination = "postgresql";
                                options.lease = 4s;
                                options.shard_count = 16;
                                options.fabric.heartbeat = 20ms;
                              }));
    machines[machine]->wait_for("ready 2 nodes");
  }
  /// `epic stop --this-machine`, the new package, and the same command as before.
  void upgrade(std::size_t machine, const std::string& version) {
    CHECK(machines[machine]->stream("stop", {{"machine", true}}).back().at("event") == "stopped");
    CHECK(machines[machine]->wait_for_end() == epic::cluster::kExitOk);
    machines[machine].reset();
    start(machine, version);
  }
  void wait_until_spread(std::size_t at) {
    machines[at]->wait_for_ps("six nodes have shards", [](const json::object& ps) {
      std::int64_t shards = 0;
      for (const auto& node : ps.at("nodes").as_array()) {
        if (node.at("state") != "ready" || node.at("shards") == 0) return false;
        shards += node.at("shards").to_number<std::int64_t>();
      }
      return ps.at("nodes").as_array().size() == 6 && shards == 16;
    });
  }

  PostgresServer& server = PostgresServer::shared();
  std::string url = server.make_database();
  std::array<std::unique_ptr<ProjectDirectory>, kMachines> directories{
      std::make_unique<ProjectDirectory>(), std::make_unique<ProjectDirectory>(), std::make_unique<ProjectDirectory>()};
  std::array<std::optional<Supervised>, kMachines> machines;
};

}  // namespace

TEST_CASE(
    "machines upgrade: another version replaces that of each machine in turn, the one that leads last, and no call is "
    "lost",
    "[node][large]") {
  UpgradedFabric fabric;
  for (std::size_t machine = 0; machine < UpgradedFabric::kMachines; ++machine) fabric.start(machine, "0.1.0");
  fabric.wait_until_spread(0);
  Callers callers({fabric.directories[0]->path(), fabric.directories[1]->path(), fabric.directories[2]->path()});
  for (const std::size_t machine : {std::size_t{2}, std::size_t{1}, std::size_t{0}}) {
    fabric.upgrade(machine, "0.2.0");
    fabric.wait_until_spread(machine);
    CHECK(fabric.machines[machine]->ask("ping").at("version") == "0.2.0");
  }
  const auto said = callers.end();
  std::int64_t sum = 0;
  for (int counter = 0; counter < kShared; ++counter)
    sum +=
        fabric.machines[1]->call(fmt::format("Counter/{}", counter), "add", {0}).at("result").to_number<std::int64_t>();
  CHECK(sum == said.acknowledged);
  CHECK(said.acknowledged > 0);
  WARN(said.acknowledged << " calls were acknowledged, " << said.repeated << " attempts were repeated");
}

TEST_CASE("machines upgrade: of a supervisor that leads alone no machine can be stopped", "[node][large]") {
  UpgradedFabric fabric;
  fabric.start(0, "0.1.0");
  const auto refused = fabric.machines[0]->ask_in_vain("stop", {{"machine", true}});
  CHECK_THAT(refused.message, Catch::Contains("No other machine could go on"));
  CHECK(fabric.machines[0]->call("Counter/1", "add", {1}).at("result") == 1);
}

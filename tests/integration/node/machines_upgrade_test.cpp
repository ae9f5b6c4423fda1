// A fabric of several machines whose epic is replaced by another version, one machine after the other, while calls go
// on.
//
// The versions are names that this tree gives itself, unless the environment says otherwise: EPIC_UPGRADE_FROM=PREFIX
// is an installation whose programs run at first, and EPIC_UPGRADE_TO=PREFIX one that replaces it (by default this
// tree's programs). Then the machines do what OPERATIONS.md says, by commands.

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "protocol/json.hpp"
#include "storage/open_store.hpp"
#include "support/postgres_server.hpp"

using namespace std::chrono_literals;
using epic::cluster::ControlClient;
using epic::test::PostgresServer;
using epic::test::ProjectDirectory;
using epic::test::Supervised;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr int kShared = 8;  // counters that are added to
constexpr auto kUpgradePatience = 120s;

/// Callers in a process of their own, each through one of the machines: they repeat what was not answered, under the
/// same idempotency key.
class Callers {
 public:
  struct Said {
    std::int64_t acknowledged = 0;
    // Attempts that were repeated.
    std::int64_t node_lost = 0;
    std::int64_t unavailable = 0;
    std::int64_t otherwise = 0;
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
    std::atomic<std::int64_t> node_lost = 0;
    std::atomic<std::int64_t> unavailable = 0;
    std::atomic<std::int64_t> otherwise = 0;
    const auto call = [&](std::size_t caller) {
      std::optional<epic::Client> client;
      const auto repeat = [&](std::atomic<std::int64_t>& count) {
        ++count;
        client.reset();  // its machine may be away
        ::poll(nullptr, 0, 20);
      };
      for (int number = 0; !is_over; ++number) {
        const std::string key = fmt::format("{}-{}", caller, number);
        for (bool is_done = false; !is_done;) {
          try {
            if (!client) client.emplace(epic::Client::connect(machines[caller % machines.size()].string()));
            static_cast<void>(client->call(client->get<probe::Counter>(std::to_string(number % kShared))->add(1),
                                           {.idempotency_key = key}));
            is_done = true;
            ++acknowledged;
          } catch (const epic::NodeLost&) {
            repeat(node_lost);
          } catch (const epic::Unavailable&) {
            repeat(unavailable);
          } catch (const epic::Error&) {
            repeat(otherwise);
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
    return {.acknowledged = acknowledged, .node_lost = node_lost, .unavailable = unavailable, .otherwise = otherwise};
  }

  pid_t process_ = -1;
  int end_ = -1;
  int said_ = -1;
};

/// One of this tree's, with a name of its own, or an installed one.
struct Release {
  std::string version;
  fs::path program = {};  // "…/bin/epic"; empty: it is not installed
};

Release installed_at(const char* prefix) { return {.version = {}, .program = fs::path(prefix) / "bin" / "epic"}; }

Release older_release() {
  const char* const prefix = std::getenv("EPIC_UPGRADE_FROM");
  return prefix == nullptr ? Release{.version = "0.1.0"} : installed_at(prefix);
}

Release newer_release() {
  if (older_release().program.empty()) return {.version = "0.2.0"};
  const char* const prefix = std::getenv("EPIC_UPGRADE_TO");
  return prefix == nullptr ? Release{.version = {}, .program = EPIC_BINARY} : installed_at(prefix);
}

/// Runs a command of an installed epic.
void must_run(const Release& release, const fs::path& directory, const std::string& words) {
  const std::string line = fmt::format("cd '{}' && '{}' {} 2>&1", directory.string(), release.program.string(), words);
  FILE* const output = ::popen(line.c_str(), "r");
  REQUIRE(output != nullptr);
  std::string said;
  for (std::array<char, 4096> bytes{}; std::fgets(bytes.data(), bytes.size(), output) != nullptr;) said += bytes.data();
  INFO(line << "\n" << said);
  REQUIRE(::pclose(output) == 0);
}

/// Three machines on this host.
class UpgradedFabric {
 public:
  static constexpr std::size_t kMachines = 3;

  UpgradedFabric() = default;
  UpgradedFabric(const UpgradedFabric&) = delete;
  UpgradedFabric& operator=(const UpgradedFabric&) = delete;
  ~UpgradedFabric() {
    for (const auto& machine : machines_)
      if (machine.process != 0) ::kill(machine.process, SIGKILL);
  }

  void start(std::size_t machine, const Release& release) {
    machines_[machine].release = release;
    if (!release.program.empty()) return start_installed(machine, release);
    machines_[machine].supervised.emplace(*machines_[machine].directory, "unused",
                                          epic::test::real_nodes("probe", 2, [this, machine, &release](auto& options) {
                                            options.project_directory = home(0);
                                            if (machine > 0) options.run_directory = home(machine);
                                            options.joins = machine > 0;
                                            options.version = release.version;
                                            options.store =
                                                epic::storage::locate_store(url_, options.project_directory / ".epic");
                                            options.coordination = "postgresql";
                                            options.lease = 4s;
                                            options.shard_count = 16;
                                            options.fabric.heartbeat = 20ms;
                                          }));
    machines_[machine].supervised->wait_for("ready 2 nodes");
  }
  /// It leaves the fabric, gets the new package, and is started by the same command as before.
  void upgrade(std::size_t machine, const Release& release) {
    if (machines_[machine].supervised) {
      CHECK(machines_[machine].supervised->stream("stop", {{"machine", true}}).back().at("event") == "stopped");
      CHECK(machines_[machine].supervised->wait_for_end() == epic::cluster::kExitOk);
      machines_[machine].supervised.reset();
    } else {
      stop_installed(machine);
    }
    start(machine, release);
  }
  void wait_until_spread(std::size_t at) const {
    std::string last;
    for (const auto give_up_at = std::chrono::steady_clock::now() + kUpgradePatience;; ::poll(nullptr, 0, 20)) {
      const auto ps = try_ask(at, "ps", {});
      if (ps && is_spread(ps->as_object())) return;
      last = ps ? epic::protocol::print_json(*ps) : ps.error().message;
      if (std::chrono::steady_clock::now() > give_up_at) FAIL("not in time: six nodes have shards; last: " << last);
    }
  }

  [[nodiscard]] const fs::path& home(std::size_t machine) const { return machines_[machine].directory->path(); }
  [[nodiscard]] json::object ask(std::size_t machine, std::string_view verb, json::object body = {}) const {
    auto answer = try_ask(machine, verb, std::move(body));
    if (!answer) FAIL(verb << ": " << answer.error().message);
    return answer->as_object();
  }
  std::int64_t add(std::size_t machine, int counter, std::int64_t by) const {
    return ask(machine, "call",
               {{"entity", fmt::format("Counter/{}", counter)}, {"method", "add"}, {"args", json::array{by}}})
        .at("result")
        .to_number<std::int64_t>();
  }
  [[nodiscard]] Supervised& supervised(std::size_t machine) { return *machines_[machine].supervised; }

 private:
  struct Machine {
    std::unique_ptr<ProjectDirectory> directory = std::make_unique<ProjectDirectory>();
    Release release = {};
    std::optional<Supervised> supervised = {};
    pid_t process = 0;  // of the supervisor, if it is an installed one
  };

  static bool is_spread(const json::object& ps) {
    std::int64_t shards = 0;
    const auto& nodes = ps.at("nodes").as_array();
    for (const auto& node : nodes) {
      if (node.at("state") != "ready" || node.at("shards") == 0) return false;
      shards += node.at("shards").to_number<std::int64_t>();
    }
    return nodes.size() == 6 && shards == 16;
  }
  [[nodiscard]] std::expected<json::value, epic::cluster::ControlError> try_ask(std::size_t machine,
                                                                                std::string_view verb,
                                                                                json::object body) const {
    auto client = ControlClient::connect(home(machine) / ".epic" / "control.sock");
    if (!client) return std::unexpected(client.error());
    return client->request(verb, std::move(body));
  }

  /// A project whose module is there already, so that nothing has to be compiled.
  void write_project() const {
    std::ofstream(home(0) / "epic.toml") << fmt::format(
        "[project]\nname = \"upgraded\"\n[modules]\nload = \"probe\"\n[fabric]\nshards = 16\nstore = "
        "\"{}\"\ncoordination = \"postgresql\"\nlease = \"4s\"\n",
        url_);
    std::ofstream(home(0) / "CMakeLists.txt") << fmt::format(
        "cmake_minimum_required(VERSION 3.25)\nproject(upgraded NONE)\nadd_custom_target(probe ALL)\n"
        "file(COPY {}/probe.so DESTINATION ${{PROJECT_BINARY_DIR}}/modules)\n",
        EPIC_TEST_MODULES);
  }
  void start_installed(std::size_t machine, const Release& release) {
    if (!fs::exists(home(0) / "epic.toml")) write_project();
    must_run(release, home(machine),
             "run --detach --nodes 2" + (machine == 0 ? "" : fmt::format(" --join '{}'", home(0).string())));
    machines_[machine].process = ask(machine, "ping").at("pid").to_number<pid_t>();
  }
  void stop_installed(std::size_t machine) {
    const Release& release = machines_[machine].release;
    const pid_t process = machines_[machine].process;
    const bool may_lead = ask(machine, "ping").contains("speaks");  // and leave nevertheless
    if (may_lead || ask(machine, "ps").at("supervisor").at("pid") != process) {
      must_run(release, home(machine), may_lead ? "stop --this-machine" : "stop");
    } else {
      for (int node = 1; node <= 64; ++node)
        if (fs::exists(home(machine) / ".epic" / "run" / fmt::format("node-{}.sock", node)))
          must_run(release, home(machine), fmt::format("drain node-{}", node));
      ::kill(process, SIGKILL);
    }
    epic::test::wait_for_death(process);
    machines_[machine].process = 0;
  }

  PostgresServer& server_ = PostgresServer::shared();
  std::string url_ = server_.make_database();
  std::array<Machine, kMachines> machines_;
};

}  // namespace

TEST_CASE(
    "machines upgrade: another version replaces that of each machine in turn, the one that leads last, and no call is "
    "lost",
    "[node][large]") {
  UpgradedFabric fabric;
  const Release older = older_release();
  const Release newer = newer_release();
  for (std::size_t machine = 0; machine < UpgradedFabric::kMachines; ++machine) fabric.start(machine, older);
  fabric.wait_until_spread(0);
  Callers callers({fabric.home(0), fabric.home(1), fabric.home(2)});
  for (const std::size_t machine : {std::size_t{2}, std::size_t{1}, std::size_t{0}}) {
    fabric.upgrade(machine, newer);
    fabric.wait_until_spread(machine);
    if (!newer.version.empty()) CHECK(fabric.ask(machine, "ping").at("version").as_string() == newer.version);
  }
  const auto said = callers.end();
  std::int64_t sum = 0;
  for (int counter = 0; counter < kShared; ++counter) sum += fabric.add(1, counter, 0);
  CHECK(sum == said.acknowledged);
  CHECK(said.acknowledged > 0);
  WARN(said.acknowledged << " calls were acknowledged; attempts that were repeated: " << said.node_lost << " NodeLost, "
                         << said.unavailable << " Unavailable, " << said.otherwise << " others");
}

TEST_CASE("machines upgrade: of a supervisor that leads alone no machine can be stopped", "[node][large]") {
  UpgradedFabric fabric;
  fabric.start(0, {.version = "0.1.0"});
  const auto refused = fabric.supervised(0).ask_in_vain("stop", {{"machine", true}});
  CHECK_THAT(refused.message, Catch::Contains("No other machine could go on"));
  CHECK(fabric.add(0, 1, 1) == 1);
}

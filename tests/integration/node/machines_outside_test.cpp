// Machines with addresses of their own: one that finds the fabric by its name, and a computer outside that looks at it.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "integration/node/real_fabric.hpp"
#include "storage/open_store.hpp"
#include "support/machine_network.hpp"
#include "support/network_database.hpp"
#include "support/temp_dir.hpp"

using namespace std::chrono_literals;
using epic::test::MachineNetwork;
using epic::test::NetworkDatabase;
using epic::test::ProjectDirectory;
using epic::test::Supervised;
using epic::test::TempDir;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

std::string content_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// `epic` with these words, on that machine, in a directory of its own, which may have an epic.toml.
class EpicCommand {
 public:
  EpicCommand(const MachineNetwork& network, std::size_t machine, std::vector<std::string> words,
              const std::string& manifest = {}) {
    words.insert(words.begin(), EPIC_BINARY);
    std::vector<char*> raw;
    for (std::string& word : words) raw.push_back(word.data());
    raw.push_back(nullptr);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ > 0) return;
    network.enter(machine);
    ::dup2(::open((directory_.path() / "out").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDOUT_FILENO);
    ::dup2(::open((directory_.path() / "err").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
    fs::create_directory(directory_.path() / "here");
    if (!manifest.empty()) std::ofstream(directory_.path() / "here" / "epic.toml") << manifest;
    if (::chdir((directory_.path() / "here").c_str()) == 0) ::execv(raw.front(), raw.data());
    ::_exit(127);
  }
  EpicCommand(const EpicCommand&) = delete;
  EpicCommand& operator=(const EpicCommand&) = delete;
  ~EpicCommand() {
    if (process_ > 0) ::kill(process_, SIGKILL);
    static_cast<void>(wait());
  }

  int wait() {
    int status = 0;
    if (process_ > 0) ::waitpid(std::exchange(process_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  [[nodiscard]] std::string out() const { return content_of(directory_.path() / "out"); }
  [[nodiscard]] std::string err() const { return content_of(directory_.path() / "err"); }

 private:
  ProjectDirectory directory_;
  pid_t process_ = -1;
};

struct Ended {
  int exit_code;
  std::string out;
  std::string err;
};

/// The first machine of three runs the project; the third one has no part in it.
class WatchedFabric {
 public:
  static constexpr std::size_t kOutside = 3;

  WatchedFabric() {
    write_secret(secret, "the secret of the machines of this test\n");
    write_secret(other_secret, "a secret that only others have\n");
    first_.emplace(project_, "unused",
                   epic::test::real_nodes("probe", 2,
                                          [this](epic::cluster::SupervisorOptions& options) {
                                            options.store = epic::storage::locate_store(
                                                database_.url(), options.project_directory / ".epic");
                                            options.coordination = "postgresql";
                                            options.lease = 4s;
                                            options.shard_count = 16;
                                            options.project_name = "arena";
                                            options.manifest = manifest();
                                            options.beacon = true;
                                            options.tcp.host = network.address(1);
                                            options.tcp.secret_file = secret;
                                          }),
                   [this] { network.enter(1); });
    first_->wait_for("ready 2 nodes");
  }

  [[nodiscard]] Supervised& first() { return *first_; }
  [[nodiscard]] std::string at(std::size_t machine, int port = 7420) const {
    return fmt::format("{}:{}", network.address(machine), port);
  }
  /// epic.toml of a copy of the project on that machine, with this list.
  [[nodiscard]] std::string copy(std::size_t machine, const std::string& machines) const {
    return fmt::format("{}nodes = 1\n[cluster]\nlisten = \"{}\"\nsecret_file = \"{}\"\nmachines = [{}]\n", manifest(),
                       network.address(machine), secret.string(), machines);
  }
  [[nodiscard]] EpicCommand join(std::size_t machine, const std::string& fabric) const {
    return {network, machine, {"run", "--join", fabric, "--secret-file", secret, "--nodes", "2", "--no-prefix"}};
  }
  /// From outside.
  [[nodiscard]] Ended ask(const std::string& address, std::vector<std::string> words) const {
    words.insert(words.begin(), {"--connect", address, "--secret-file", secret});
    EpicCommand command(network, kOutside, std::move(words));
    const int exit_code = command.wait();
    return {exit_code, command.out(), command.err()};
  }
  /// Asks until the answer has `text`: a node that is slow to answer is left out of some.
  [[nodiscard]] bool hears(const std::string& address, const std::vector<std::string>& words,
                           const std::string& text) const {
    for (const auto give_up_at = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < give_up_at;)
      if (ask(address, words).out.contains(text)) return true;
    return false;
  }
  /// The machines and nodes that a supervisor lists, when all 16 shards have owners.
  [[nodiscard]] std::optional<std::set<std::string>> try_list(const std::string& address) const {
    const Ended ps = ask(address, {"ps", "-o", "json"});
    if (ps.exit_code != 0) return std::nullopt;
    std::set<std::string> nodes;
    std::int64_t shards = 0;
    for (const auto& node : json::parse(ps.out).at("nodes").as_array()) {
      if (node.at("state") != "ready" || node.at("shards") == 0) return std::nullopt;
      nodes.insert(node.at("node").as_string().c_str());
      shards += node.at("shards").to_number<std::int64_t>();
    }
    return shards == 16 ? std::optional(nodes) : std::nullopt;
  }
  [[nodiscard]] std::set<std::string> wait_for_nodes(const std::string& address, std::size_t count,
                                                     const EpicCommand& second) const {
    for (const auto give_up_at = std::chrono::steady_clock::now() + 60s;; ::poll(nullptr, 0, 20)) {
      const auto nodes = try_list(address);
      if (nodes && nodes->size() == count) return *nodes;
      if (std::chrono::steady_clock::now() > give_up_at)
        FAIL("waited in vain for " << count << " nodes; the machine that joined said:\n" << second.err());
    }
  }

  const MachineNetwork network{3};

 private:
  static void write_secret(const fs::path& path, const std::string& text) {
    std::ofstream(path) << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  }
  [[nodiscard]] std::string manifest() const {
    return fmt::format(
        "[project]\nname = \"arena\"\n[modules]\nload = \"probe\"\n[fabric]\nshards = 16\nstore = \"{}\"\n"
        "coordination = \"postgresql\"\nlease = \"4s\"\n",
        database_.url());
  }
  TempDir directory_;

 public:
  const fs::path secret = directory_.path() / "secret";
  const fs::path other_secret = directory_.path() / "other";

 private:
  NetworkDatabase database_{network.address(MachineNetwork::kHost)};
  ProjectDirectory project_;
  std::optional<Supervised> first_;
};

/// False, with a sentence, where there can be no such network.
bool can_have_networks() {
  const std::string why_not = MachineNetwork::why_not();
  if (!why_not.empty()) WARN("skipped: " << why_not);
  return why_not.empty();
}

}  // namespace

TEST_CASE("machines outside: a fabric that is found by its name answers a computer elsewhere the same from any machine",
          "[node][large]") {
  if (!can_have_networks()) return;
  WatchedFabric fabric;
  EpicCommand second = fabric.join(2, "arena");
  const auto nodes = fabric.wait_for_nodes(fabric.at(1), 4, second);
  CHECK(fabric.wait_for_nodes(fabric.at(2), 4, second) == nodes);

  for (std::int64_t before = 0; const std::size_t machine : {std::size_t{1}, std::size_t{2}}) {
    const std::string address = fabric.at(machine);
    CHECK(fabric.ask(address, {"call", "Counter/one", "add", "1"}).out == fmt::format("{}\n", ++before));
    CHECK(fabric.hears(address, {"inspect", "Counter/one"}, "Counter/one"));
    CHECK(fabric.hears(address, {"ls", "Counter"}, "Counter/one\t"));
    CHECK(fabric.hears(address, {"events", "Counter/one"}, "activated"));
    CHECK(fabric.hears(address, {"logs", "supervisor"}, "supervisor"));
    CHECK(fabric.hears(address, {"ps", "--types"}, "Counter\t"));
    CHECK(fabric.hears(address, {"snapshot", "export", "--live"}, "Counter/one"));
    CHECK(fabric.ask(address, {"kill", "no-node"}).exit_code == 3);
  }

  // The one that leads leaves in order, and the other leads.
  CHECK(fabric.ask(fabric.at(1), {"stop", "--this-machine"}).exit_code == 0);
  CHECK(fabric.first().wait_for_end() == 0);
  CHECK(fabric.wait_for_nodes(fabric.at(2), 2, second).size() == 2);
  CHECK(fabric.ask(fabric.at(2), {"call", "Counter/one", "add", "1"}).out == "3\n");
  const Ended alone = fabric.ask(fabric.at(2), {"stop", "--this-machine"});
  CHECK_THAT(alone.err, Catch::Contains("No other machine could go on"));
  CHECK(fabric.ask(fabric.at(2), {"stop"}).exit_code == 0);
  CHECK(second.wait() == 0);
}

TEST_CASE("machines outside: a copy of the project joins the fabric at the machines that it lists, or begins by itself",
          "[node][large]") {
  if (!can_have_networks()) return;
  WatchedFabric fabric;
  const std::string own = fmt::format("\"{}\", \"no-such-machine.invalid\"", fabric.network.address(2));
  for (const bool must_join : {false, true}) {
    std::vector<std::string> words{"run"};
    if (must_join) words.emplace_back("--join");
    EpicCommand alone(fabric.network, 2, words, fabric.copy(2, own));
    CHECK(alone.wait() == (must_join ? 1 : 5));  // it has no sources to build
    CHECK_THAT(alone.err(), Catch::Contains(fabric.at(2) + ": Connection refused") &&
                                Catch::Contains("'no-such-machine.invalid' has no address"));
  }

  const std::string list = fmt::format("{}, \"{}\"", own, fabric.at(1));
  EpicCommand second(fabric.network, 2, {"run", "--no-prefix"}, fabric.copy(2, list));
  CHECK(fabric.wait_for_nodes(fabric.at(2), 3, second).size() == 3);
  CHECK_THAT(second.err(), Catch::Contains("Joining the fabric of arena at " + fabric.at(1)));
  CHECK(fabric.ask(fabric.at(2), {"call", "Counter/one", "add", "1"}).out == "1\n");
}

TEST_CASE("machines outside: who has another secret, or asks at the wrong port, gets one sentence", "[node][large]") {
  if (!can_have_networks()) return;
  WatchedFabric fabric;
  EpicCommand stranger(fabric.network, WatchedFabric::kOutside,
                       {"ps", "--connect", fabric.at(1), "--secret-file", fabric.other_secret});
  CHECK(stranger.wait() == 4);
  CHECK_THAT(stranger.err(), Catch::Contains("Cannot connect to the fabric at " + fabric.at(1)));
  const Ended nobody = fabric.ask(fabric.at(1, 7999), {"ps"});
  CHECK(nobody.exit_code == 3);
  CHECK_THAT(nobody.err, Catch::Contains("nothing listens there"));
  const Ended node = fabric.ask(fabric.at(1, 7421), {"ps"});
  CHECK(node.exit_code == 4);
  CHECK_THAT(node.err, Catch::Contains("is not a supervisor"));

  EpicCommand follower(fabric.network, WatchedFabric::kOutside,
                       {"logs", "-f", "--connect", fabric.at(1), "--secret-file", fabric.secret});
  while (follower.out().empty()) ::poll(nullptr, 0, 20);
  fabric.first().signal(SIGKILL);
  CHECK(follower.wait() == 4);
  CHECK_THAT(follower.err(), Catch::Contains("Lost the fabric at " + fabric.at(1)));
}

TEST_CASE("machines outside: a leader that is cut off from its database says that its lease is over", "[node][large]") {
  if (!can_have_networks()) return;
  WatchedFabric fabric;
  CHECK_THAT(fabric.ask(fabric.at(1), {"ps"}).err, !Catch::Contains("lease"));
  fabric.network.cut_both_ways(1, MachineNetwork::kHost);
  std::string said;
  for (const auto give_up_at = std::chrono::steady_clock::now() + 60s; !said.contains("is over, because");) {
    if (std::chrono::steady_clock::now() > give_up_at) FAIL("waited in vain for the end of the lease: " << said);
    said = fabric.ask(fabric.at(1), {"ps"}).err;
  }
  CHECK_THAT(said, Catch::Contains("the lease of ") && Catch::Contains("because coordination by the database ") &&
                       Catch::Contains("another machine may lead by now"));
  fabric.network.heal();
}

TEST_CASE(
    "machines outside: of several addresses the first that answers is joined, and a name that nobody has is not found",
    "[node][large]") {
  if (!can_have_networks()) return;
  WatchedFabric fabric;
  EpicCommand nobody = fabric.join(WatchedFabric::kOutside, "stadium");
  EpicCommand second = fabric.join(2, fabric.at(3, 7999) + "," + fabric.at(1));
  CHECK(fabric.wait_for_nodes(fabric.at(2), 4, second).size() == 4);
  CHECK(nobody.wait() == 4);
  CHECK_THAT(nobody.err(), Catch::Contains("no machine of a fabric stadium was found") &&
                               Catch::Contains("239.255.74.20:7419") && Catch::Contains("--join HOST:PORT"));
}

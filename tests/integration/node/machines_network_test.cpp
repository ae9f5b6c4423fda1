// Machines with addresses of their own, whose links are cut for real: the first one runs a project, the others join it
// with the command, the secret and nothing else.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "epic/client.hpp"
#include "files/digest.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "storage/open_store.hpp"
#include "support/certificates.hpp"
#include "support/machine_network.hpp"
#include "support/network_database.hpp"
#include "support/temp_dir.hpp"
#include "transport/credential_files.hpp"

using namespace std::chrono_literals;
using epic::cluster::ControlClient;
using epic::test::MachineNetwork;
using epic::test::NetworkDatabase;
using epic::test::ProjectDirectory;
using epic::test::Supervised;
using epic::test::TempDir;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr auto kPatience = 60s;
constexpr int kShards = 16;
using Clock = std::chrono::steady_clock;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_private(const fs::path& path, const std::string& text) {
  std::ofstream(path) << text;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

/// A machine that runs `epic run --join`.
class JoinedMachine {
 public:
  JoinedMachine(const MachineNetwork& network, std::size_t machine, std::vector<std::string> words) {
    words.insert(words.begin(), {EPIC_BINARY, "run", "--no-prefix"});
    std::vector<char*> raw;
    for (std::string& word : words) raw.push_back(word.data());
    raw.push_back(nullptr);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ > 0) return;
    network.enter(machine);
    const int output = ::open((directory_.path() / "output").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    fs::create_directory(home());
    if (::chdir(home().c_str()) == 0) ::execv(raw.front(), raw.data());
    ::_exit(127);
  }
  JoinedMachine(const JoinedMachine&) = delete;
  JoinedMachine& operator=(const JoinedMachine&) = delete;
  ~JoinedMachine() {
    signal(SIGKILL);
    static_cast<void>(wait_for_end());
  }

  void signal(int number) const {
    if (process_ > 0) ::kill(process_, number);
  }
  int wait_for_end() {
    int status = 0;
    if (process_ > 0) ::waitpid(std::exchange(process_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  [[nodiscard]] fs::path home() const { return directory_.path() / "machine"; }
  [[nodiscard]] std::string output() const { return text_of(directory_.path() / "output"); }
  [[nodiscard]] std::optional<json::object> try_ask(std::string_view verb, json::object body,
                                                    std::chrono::milliseconds timeout = 5s) const {
    auto client = ControlClient::connect(home() / ".epic" / "control.sock");
    if (!client) return std::nullopt;
    auto answer = client->request(verb, std::move(body), timeout);
    return answer ? std::optional(answer->as_object()) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::int64_t> try_add(const std::string& counter) const {
    const auto answer =
        try_ask("call", {{"entity", "Counter/" + counter}, {"method", "add"}, {"args", json::array{1}}});
    return answer ? std::optional(answer->at("result").to_number<std::int64_t>()) : std::nullopt;
  }
  void wait_until(std::string_view what, const std::function<bool()>& is_so) const {
    for (const auto give_up_at = Clock::now() + kPatience; !is_so(); ::poll(nullptr, 0, 10))
      if (Clock::now() > give_up_at) FAIL("waited in vain until " << what << "; it said:\n" << output());
  }

 private:
  ProjectDirectory directory_;
  pid_t process_ = -1;
};

/// The files of a machine, each replaced as a whole.
void install(const epic::transport::Certificates& issued, const fs::path& directory) {
  fs::create_directories(directory);
  const auto place = epic::transport::certificates_in(directory);
  for (const auto& [from, to] : {std::pair(issued.authority, place.authority), std::pair(issued.key, place.key),
                                 std::pair(issued.certificate, place.certificate)}) {
    fs::copy_file(from, to.string() + ".new", fs::copy_options::overwrite_existing);
    fs::rename(to.string() + ".new", to);
  }
}

/// The network, the database on the host, and the secret; the first machine runs the project.
class NetworkFabric {
 public:
  static constexpr std::size_t kMachines = 3;

  /// `certificates`: a directory, instead of the secret.
  explicit NetworkFabric(std::uint16_t nodes, fs::path certificates = {}) : certificates_(std::move(certificates)) {
    write_private(secret_, "the secret of the machines of this test\n");
    build("probe");
    start(nodes);
  }
  /// The module of the project is from now on that one.
  void build(const std::string& module) const {
    const fs::path fresh = project_.path() / "fresh.so";
    fs::copy_file(fs::path(EPIC_TEST_MODULES) / (module + ".so"), fresh);
    fs::rename(fresh, project_.path() / "arena.so");
  }
  /// `epic run` in the project.
  void start(std::uint16_t nodes) {
    first_.emplace(project_, "unused",
                   epic::test::real_nodes("probe", nodes,
                                          [this](epic::cluster::SupervisorOptions& options) {
                                            options.store = epic::storage::locate_store(
                                                database_.url(), options.project_directory / ".epic");
                                            options.coordination = "postgresql";
                                            options.lease = 4s;
                                            options.shard_count = kShards;
                                            options.project_name = "arena";
                                            options.module_path = project_.path() / "arena.so";
                                            options.manifest = manifest();
                                            options.tcp.host = network.address(1);
                                            if (certificates_.empty()) {
                                              options.tcp.secret_file = secret_;
                                              return;
                                            }
                                            const auto place = epic::transport::certificates_in(certificates_);
                                            options.tcp.authority = place.authority;
                                            options.tcp.certificate = place.certificate;
                                            options.tcp.key = place.key;
                                          }),
                   [this] { network.enter(1); });
    first_->wait_for(fmt::format("ready {} nodes", nodes));
  }

  [[nodiscard]] Supervised& first() { return *first_; }
  [[nodiscard]] JoinedMachine& join(std::size_t machine, std::size_t nodes = 2) {
    return *joined_.emplace_back(std::make_unique<JoinedMachine>(
        network, machine,
        std::vector<std::string>{"--join", network.address(1) + ":7420", "--secret-file", secret_, "--nodes",
                                 std::to_string(nodes)}));
  }
  /// Of the first machine.
  [[nodiscard]] fs::path home() const { return project_.path(); }
  /// In epic.toml of the project.
  [[nodiscard]] std::string manifest() const {
    return fmt::format(
        "[project]\nname = \"arena\"\n[modules]\nload = \"probe\"\n[fabric]\nshards = {}\nstore = \"{}\"\ncoordination "
        "= "
        "\"postgresql\"\nlease = \"4s\"\n",
        kShards, database_.url());
  }

  const MachineNetwork network{kMachines};

 private:
  TempDir directory_;
  fs::path secret_ = directory_.path() / "secret";
  NetworkDatabase database_{network.address(MachineNetwork::kHost)};
  ProjectDirectory project_;
  fs::path certificates_;
  std::optional<Supervised> first_;
  std::vector<std::unique_ptr<JoinedMachine>> joined_;
};

bool has_shards_on(const json::object& ps, std::size_t machines, std::size_t nodes) {
  std::int64_t shards = 0;
  std::set<std::string> names;
  const auto& rows = ps.at("nodes").as_array();
  for (const auto& row : rows) {
    if (row.at("state") != "ready" || row.at("shards") == 0) return false;
    shards += row.at("shards").to_number<std::int64_t>();
    names.emplace(row.at("machine").as_string().c_str());
  }
  return rows.size() == nodes && names.size() == machines && shards == kShards;
}

void wait_until_spread(const JoinedMachine& machine, std::size_t machines, std::size_t nodes) {
  machine.wait_until(fmt::format("{} nodes on {} machines have shards", nodes, machines), [&] {
    const auto ps = machine.try_ask("ps", {});
    return ps && has_shards_on(*ps, machines, nodes);
  });
}

/// How many counters a client on that machine can add to.
int count_answers(const MachineNetwork& network, std::size_t machine, const fs::path& home,
                  std::chrono::milliseconds timeout = 1s) {
  const pid_t process = ::fork();
  REQUIRE(process >= 0);
  if (process == 0) {
    network.enter(machine);
    int answers = 0;
    try {
      const epic::Client client = epic::Client::connect(home.string(), {.call_timeout = timeout});
      for (int i = 0; i < kShards; ++i) {
        try {
          static_cast<void>(client.call(client.get<probe::Counter>(std::to_string(i))->add(1)));
          ++answers;
        } catch (const epic::Error&) {
        }
      }
    } catch (const epic::Error&) {
    }
    ::_exit(answers);
  }
  int status = 0;
  ::waitpid(process, &status, 0);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

/// False, with a sentence, where there can be no such network.
bool is_possible() {
  const std::string why_not = MachineNetwork::why_not();
  if (!why_not.empty()) WARN("skipped: " << why_not);
  return why_not.empty();
}

}  // namespace

TEST_CASE("machines network: two machines join with nothing but the package and the secret", "[node][large]") {
  if (!is_possible()) return;
  NetworkFabric fabric(2);
  const auto begun_at = Clock::now();
  JoinedMachine& second = fabric.join(2);
  second.wait_until("its nodes own an entity", [&] {
    const auto ps = second.try_ask("ps", {});
    if (!ps) return false;
    for (const auto& row : ps->at("nodes").as_array())
      if (row.at("shards") != 0 && row.at("node") != "node-1" && row.at("node") != "node-2") return true;
    return false;
  });
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun_at);
  WARN("from the command to join to the first shard: " << took.count() << " ms");
  JoinedMachine& third = fabric.join(3);
  wait_until_spread(third, 3, 6);
  for (int i = 0; i < kShards; ++i) {
    const std::string counter = std::to_string(i);
    CHECK(fabric.first().call("Counter/" + counter, "add", {1}).at("result") == 1);
    CHECK(second.try_add(counter) == 2);
    CHECK(third.try_add(counter) == 3);
  }

  const auto module = fs::path(EPIC_TEST_MODULES) / "probe.so";
  const std::string digest = epic::files::digest_of(module).value();
  CHECK(epic::files::digest_of(second.home() / ".epic" / "modules" / (digest + ".so")) == digest);
  CHECK(text_of(second.home() / ".epic" / "joined.toml") == fabric.manifest());

  third.signal(SIGTERM);
  CHECK(third.wait_for_end() == 0);
  wait_until_spread(second, 2, 4);
  CHECK(second.try_add("1") == 4);
}

TEST_CASE(
    "machines network: who has another secret, or none, does not join, and is counted at the machine that it asked",
    "[node][large]") {
  if (!is_possible()) return;
  NetworkFabric fabric(1);
  const TempDir directory;
  write_private(directory.path() / "other", "a secret that only others have\n");
  const std::string address = fabric.network.address(1) + ":7420";
  JoinedMachine stranger(fabric.network, 2, {"--join", address, "--secret-file", directory.path() / "other"});
  CHECK(stranger.wait_for_end() == 1);
  CHECK_THAT(stranger.output(), Catch::Contains("Cannot join the fabric at " + address));
  CHECK_FALSE(fs::exists(stranger.home() / ".epic"));
  fabric.first().wait_for("it does not have the fabric's secret");
  JoinedMachine without(fabric.network, 2, {"--join", address});
  CHECK(without.wait_for_end() == 2);
  CHECK_THAT(without.output(), Catch::Contains("needs its secret"));

  const auto count_strangers = [](const json::object& ps) {
    std::multiset<std::int64_t> counts;
    for (const auto& machine : ps.at("machines").as_array())
      counts.insert(machine.at("refused").at("wrong_secret").to_number<std::int64_t>());
    return counts;
  };
  CHECK(count_strangers(fabric.first().ask("ps")) == std::multiset<std::int64_t>{1});
  // What another machine's supervisor refuses is said to the leader.
  JoinedMachine& second = fabric.join(2, 1);
  wait_until_spread(second, 2, 2);
  JoinedMachine again(fabric.network, 3,
                      {"--join", fabric.network.address(2) + ":7420", "--secret-file", directory.path() / "other"});
  CHECK(again.wait_for_end() == 1);
  second.wait_until("the leader knows of both strangers",
                    [&] { return count_strangers(fabric.first().ask("ps")) == std::multiset<std::int64_t>{1, 1}; });
}

TEST_CASE(
    "machines network: certificates join machines instead of a secret, others are refused, and new ones need no "
    "restart",
    "[node][large]") {
  if (!is_possible()) return;
  const TempDir directory;
  epic::test::Authority authority(directory.path());
  epic::test::Authority others(directory.path(), "others");
  const auto place = [&](const char* name) { return directory.path() / "machines" / name; };
  install(authority.issue("one", 1h), place("one"));
  install(authority.issue("two", 1h), place("two"));
  install(authority.issue("expired", -1min), place("expired"));
  auto strange = others.issue("strange", 1h);
  strange.authority = authority.issue("any", 1h).authority;  // it would accept the fabric's
  install(strange, place("strange"));
  NetworkFabric fabric(1, place("one"));
  const std::string address = fabric.network.address(1) + ":7420";
  const auto join = [&](std::size_t machine, const char* name) {
    return std::make_unique<JoinedMachine>(
        fabric.network, machine,
        std::vector<std::string>{"--join", address, "--certificates", place(name), "--nodes", "1"});
  };
  const auto is_refused = [&](const char* name, const char* why) {
    const auto stranger = join(3, name);
    CHECK(stranger->wait_for_end() == 1);
    CHECK_THAT(stranger->output(), Catch::Contains(fmt::format("Cannot join the fabric at {}: {}\n", address, why)));
  };
  is_refused("expired", "it says that this side's certificate has expired");
  is_refused("strange", "it does not accept this side's certificate");
  const auto refused = fabric.first().ask("ps").at("machines").at(0).at("refused");
  CHECK(refused.at("expired_certificate") == 1);
  CHECK(refused.at("wrong_certificate") == 1);

  const auto second = join(2, "two");
  wait_until_spread(*second, 2, 2);
  CHECK(count_answers(fabric.network, 1, fabric.home()) == kShards);
  CHECK(count_answers(fabric.network, 2, second->home()) == kShards);

  // The whole fabric gets another authority, and no process a signal.
  install(others.issue("new-one", 1h), place("one"));
  install(others.issue("new-two", 1h), place("two"));
  is_refused("expired", "its certificate is refused: self-signed certificate in certificate chain");
  install(others.issue("three", 1h), place("three"));
  const auto third = join(3, "three");
  wait_until_spread(*third, 3, 3);
  CHECK(count_answers(fabric.network, 3, third->home()) == kShards);
}

TEST_CASE("machines network: a leader that is killed is followed by a machine that has joined", "[node][large]") {
  if (!is_possible()) return;
  NetworkFabric fabric(2);
  JoinedMachine& second = fabric.join(2);
  JoinedMachine& third = fabric.join(3);
  wait_until_spread(second, 3, 6);
  for (int i = 0; i < kShards; ++i) REQUIRE(third.try_add(std::to_string(i)) == 1);

  fabric.first().signal(SIGKILL);
  wait_until_spread(second, 2, 4);
  for (int i = 0; i < kShards; ++i) CHECK(second.try_add(std::to_string(i)) == 2);
}

TEST_CASE("machines network: a restart takes the module from the machine where it is requested to all others",
          "[node][large]") {
  if (!is_possible()) return;
  NetworkFabric fabric(1);
  JoinedMachine& second = fabric.join(2, 1);
  wait_until_spread(second, 2, 2);
  fabric.first().signal(SIGKILL);
  wait_until_spread(second, 1, 1);  // it leads, and has no project
  fabric.build("probe_v2");
  fabric.start(1);
  JoinedMachine& third = fabric.join(3, 1);
  wait_until_spread(third, 3, 3);

  const auto events = fabric.first().stream("restart", {{"rolling", true}});
  CHECK(events.back().at("event") == "restarted");
  const std::string digest = epic::files::digest_of(fs::path(EPIC_TEST_MODULES) / "probe_v2.so").value();
  for (const JoinedMachine* machine : {&second, &third})
    CHECK(fs::exists(machine->home() / ".epic" / "modules" / (digest + ".so")));
  wait_until_spread(third, 3, 3);
  for (const auto& row : third.try_ask("ps", {})->at("nodes").as_array()) CHECK(row.at("generation") == 2);
  CHECK(second.try_add("1") == 1);
}

TEST_CASE(
    "machines network: a link between two machines is lost in one direction, and their nodes go on when it is back",
    "[node][large]") {
  if (!is_possible()) return;
  NetworkFabric fabric(2);
  JoinedMachine& second = fabric.join(2);
  wait_until_spread(second, 2, 4);
  for (const auto& [from, to] : {std::pair(1, 2), std::pair(2, 1)}) {
    const auto pids = [&] {
      std::set<std::int64_t> all;
      for (const auto& row : fabric.first().ask("ps").at("nodes").as_array())
        all.insert(row.at("pid").to_number<std::int64_t>());
      return all;
    };
    const auto before = pids();
    fabric.network.cut(static_cast<std::size_t>(from), static_cast<std::size_t>(to));
    // Those of the other machine do not answer. All are asked long before one of the machines would be evicted.
    CHECK(count_answers(fabric.network, 1, fabric.home(), 50ms) < kShards);
    fabric.network.heal();
    second.wait_until("all answer again", [&] { return count_answers(fabric.network, 1, fabric.home()) == kShards; });
    CHECK(pids() == before);
  }
}

TEST_CASE("machines network: a machine that is cut off loses its shards, and joins again when it is back",
          "[node][large]") {
  if (!is_possible()) return;
  NetworkFabric fabric(2);
  JoinedMachine& second = fabric.join(2);
  JoinedMachine& third = fabric.join(3);
  wait_until_spread(second, 3, 6);
  CHECK(count_answers(fabric.network, 3, third.home()) == kShards);

  fabric.network.isolate(3);
  wait_until_spread(second, 2, 4);
  CHECK(count_answers(fabric.network, 3, third.home()) == 0);
  const auto refused = ControlClient::connect(third.home() / ".epic" / "control.sock")->request("calls", {}, 5s);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::StartsWith("This machine's lease is over, so its nodes answer nothing: "));
  for (int i = 0; i < kShards; ++i) CHECK(second.try_add(std::to_string(i)) == 2);

  fabric.network.heal();
  CHECK(third.wait_for_end() == 1);
  CHECK_THAT(third.output(), Catch::Contains("This machine has left the fabric"));
  JoinedMachine& again = fabric.join(3);
  wait_until_spread(again, 3, 6);
  for (int i = 0; i < kShards; ++i) CHECK(again.try_add(std::to_string(i)) == 3);
}

TEST_CASE(
    "machines network: of two machines that cannot reach each other one is evicted, the others go on with its shards, "
    "and it comes back by itself",
    "[node][large]") {
  if (!is_possible()) return;
  NetworkFabric fabric(1);
  JoinedMachine& second = fabric.join(2, 1);
  JoinedMachine& third = fabric.join(3, 1);
  wait_until_spread(third, 3, 3);
  for (const bool is_one_way : {false, true}) {
    fabric.network.cut(2, 3);
    if (!is_one_way) fabric.network.cut(3, 2);
    const auto cut_at = Clock::now();
    second.wait_until("one is evicted and its shards are with the others", [&] {
      const auto ps = fabric.first().ask("ps");
      return ps.at("evicted").as_array().size() == 1 && has_shards_on(ps, 2, 2);
    });
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - cut_at);
    WARN("from the cut to the last shard: " << took.count() << " ms, with a lease of 4 s");
    const bool is_second_out = !second.try_ask("ps", {});
    const JoinedMachine& out = is_second_out ? second : third;
    const JoinedMachine& kept = is_second_out ? third : second;
    CHECK(count_answers(fabric.network, is_second_out ? 3 : 2, kept.home()) == kShards);
    CHECK(count_answers(fabric.network, 1, fabric.home()) == kShards);
    const auto told = ControlClient::connect(out.home() / ".epic" / "control.sock")->request("ps", {}, 5s);
    REQUIRE_FALSE(told);
    CHECK_THAT(told.error().message, Catch::Contains("evicted from the fabric, because it cannot reach"));
    const auto ps = kept.try_ask("ps", {});
    REQUIRE(ps);
    CHECK_THAT(ps->at("evicted").at(0).at("why").as_string().c_str(), Catch::Contains("cannot reach"));
    const auto events = fabric.first().stream("events");
    CHECK(std::ranges::any_of(events, [](const json::object& event) { return event.at("what") == "evicted"; }));

    fabric.network.heal();
    wait_until_spread(kept, 3, 3);
    wait_until_spread(out, 3, 3);
    CHECK(count_answers(fabric.network, is_second_out ? 2 : 3, out.home()) == kShards);
    CHECK(fabric.first().ask("ps").at("evicted").as_array().empty());
  }
}

#include "cluster/supervisor/fabric.hpp"

#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <set>

#include "codec/described_json.hpp"
#include "storage/memory_store.hpp"
#include "support/fake_host.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::cluster::test::FakeHost;
using epic::cluster::test::FakeNode;
using epic::kernel::Epoch;
using epic::kernel::NodeId;
using epic::kernel::ShardId;
namespace protocol = epic::protocol;
namespace control = epic::protocol::control;
namespace storage = epic::storage;

namespace {

using OpenedStore = std::expected<std::unique_ptr<storage::Store>, storage::StoreError>;

struct FakeModules final : Modules {
  std::expected<ModuleCopy, SupervisorError> take() override {
    newest = newest.next();
    return ModuleCopy{.generation = newest, .path = "/arena.so", .built_at = {}};
  }
  void remove_all_but(Generation) override {}
  Generation newest{0};
};

/// What a client of the control socket has been answered.
struct Answers final : ControlReply::Sink {
  void send(const protocol::ControlAnswer& answer) override { all.push_back(answer); }
  [[nodiscard]] bool is_open() const override { return true; }
  [[nodiscard]] bool has_room() const override { return true; }

  [[nodiscard]] bool is_ended() const { return !all.empty() && all.back().last; }
  std::vector<protocol::ControlAnswer> all;
};

/// A fabric whose nodes do what they are told, with a clock that the test moves.
class FabricFixture {
 public:
  explicit FabricFixture(std::uint16_t node_count = 2) : paths("/arena") {
    options.project_name = "arena";
    options.project_directory = "/arena";
    options.version = "1.2.3";
    options.node_count = node_count;
    options.shard_count = 8;
    options.on_ready = [this](const FabricReady& is_ready) { ready = is_ready; };
    logs.follow([this](const protocol::LogLine& line) { log += line.message + "\n"; });
  }

  void start() {
    fabric = std::make_unique<Fabric>(FabricParts{.host = host,
                                                  .options = options,
                                                  .paths = paths,
                                                  .run = 1,
                                                  .logs = logs,
                                                  .modules = modules,
                                                  .module = modules.take().value(),
                                                  .open_store = [this]() -> OpenedStore {
                                                    if (store_error) return std::unexpected(*store_error);
                                                    return store.reader_opener()();
                                                  },
                                                  .on_end = [this](const FabricEnd& its_end) { end = its_end; }});
    fabric->start();
    settle();
  }

  /// Lets time pass until `is_true`; fails the test if that takes longer than `timeout`.
  template <class Condition>
  void wait_until(Condition is_true, std::chrono::nanoseconds timeout = 20s) {
    const auto give_up_at = host.now() + timeout;
    while (!is_true()) {
      if (!host.run_timer(give_up_at)) FAIL("waited in vain; the log:\n" << log);
      settle();
    }
  }
  void pass(std::chrono::nanoseconds duration) {
    for (const auto until = host.now() + duration; host.run_timer(until);) settle();
  }
  void start_and_wait() {
    start();
    wait_until([this] { return ready.has_value(); });
  }

  std::shared_ptr<Answers> request(std::string verb, std::string body = "{}") {
    const auto answers = std::make_shared<Answers>();
    clients.push_back(answers);
    fabric->handle({.id = 1, .verb = std::move(verb), .body = std::move(body)}, ControlReply(answers, 1));
    settle();
    return answers;
  }
  control::Ps::Answer ps() {
    const auto answers = request("ps");
    REQUIRE(answers->is_ended());
    return epic::codec::read_described_text<control::Ps::Answer>(answers->all.back().body).value();
  }

  /// The process that node-`number` has now.
  FakeNode& node(std::size_t number) {
    for (auto one = host.spawned.rbegin(); one != host.spawned.rend(); ++one)
      if ((*one)->program.arguments.front() == "node-" + std::to_string(number)) return **one;
    FAIL("node-" << number << " was never started");
    throw std::logic_error("unreachable");
  }
  void die(FakeNode& node, int signal) {
    end_process(node, {.exit_code = 0, .signal = signal});
    settle();
  }

  void exit(FakeNode& node, int code) {
    end_process(node, {.exit_code = code, .signal = 0});
    settle();
  }
  /// node-1, of a fabric of one, has died while it ran Bomb/x.poke, and is started again.
  template <class Die>
  void die_in_turn(Crash::Source source, Die how) {
    node(1).crash = Crash{.entity = "Bomb/x", .method = "poke", .frames = {}, .source = source};
    how();
    CHECK(ps().nodes.at(0).state == "backoff");
    wait_until([this] { return ps().nodes.at(0).state == "ready"; });
  }

  SupervisorOptions options;
  RunPaths paths;
  FakeHost host;
  LogHub logs;
  FakeModules modules;
  storage::MemoryStore store{8, [] { return std::chrono::system_clock::time_point{}; }};
  std::optional<storage::StoreError> store_error;  // when the supervisor opens it
  std::optional<FabricReady> ready;
  std::optional<FabricEnd> end;
  std::string log;
  std::set<pid_t> paused;                                         // they read nothing and say nothing
  std::set<pid_t> never_done;                                     // with what runs there
  std::map<std::string, std::chrono::nanoseconds> announced_ago;  // by node: of the last release that it was asked for
  int setups = 0;
  std::unique_ptr<Fabric> fabric;

 private:
  /// Until neither the fabric nor a node has anything left to do.
  void settle() {
    while (host.settle() || serve_nodes()) {
    }
  }
  static void end_process(FakeNode& node, ProcessEnd how) {
    node.is_alive = false;
    node.events.on_end(how);
  }
  bool serve_nodes() {
    bool is_something = false;
    for (std::size_t i = 0; i < host.spawned.size(); ++i) {
      const std::shared_ptr<FakeNode> node = host.spawned[i];  // its process may go meanwhile
      if (node->is_alive && node->signal == SIGKILL) {
        is_something = true;
        end_process(*node, {.exit_code = 0, .signal = SIGKILL});
      }
      while (node->is_alive && !paused.contains(node->pid) && !node->inbox.empty()) {
        is_something = true;
        const protocol::ToNode message = std::move(node->inbox.front());
        node->inbox.pop_front();
        std::visit([&](const auto& it) { serve(*node, it); }, message);
      }
    }
    return is_something;
  }

  void serve(FakeNode& node, const protocol::Configure&) {
    node.events.on_message(protocol::Ready{.pid = node.pid, .version = options.version, .abi_tag = {}});
    beat(*std::ranges::find(host.spawned, node.pid, [](const auto& one) { return one->pid; }));
  }
  void beat(const std::shared_ptr<FakeNode>& node) {
    static_cast<void>(host.start_timer(options.fabric.heartbeat, [this, node] {
      if (!node->is_alive) return;
      if (!paused.contains(node->pid)) node->events.on_message(protocol::Heartbeat{});
      beat(node);
    }));
  }
  void serve(FakeNode& node, const protocol::ShardMap& map) {
    protocol::Taken taken{.shards = {}, .map_version = map.version};
    for (std::uint32_t shard = 0; shard < map.owners.size(); ++shard)
      if (node.program.arguments.front() == "node-" + std::to_string(map.owners[shard].value) &&
          map.owned_since[shard] == map.version)
        taken.shards.push_back({ShardId{shard}, Epoch{++epoch_}});
    node.events.on_message(taken);
  }
  void serve(FakeNode& node, const protocol::Release& release) {
    announced_ago[node.program.arguments.front()] = release.announced_ago;
    if (never_done.contains(node.pid)) return;
    for (const ShardId shard : release.shards) node.events.on_message(protocol::Released{shard, release.map_version});
  }
  void serve(FakeNode& node, const protocol::RunSetup&) {
    ++setups;
    node.events.on_message(protocol::SetupDone{});
  }
  void serve(FakeNode& node, const protocol::Stop&) {
    node.events.on_message(protocol::Drained{.is_drained = !never_done.contains(node.pid)});
  }
  void serve(FakeNode& node, const protocol::Leave&) { end_process(node, {}); }
  void serve(FakeNode&, const auto&) {}

  std::uint64_t epoch_ = 0;
  std::vector<std::shared_ptr<Answers>> clients;  // replies hold them weakly
};

}  // namespace

TEST_CASE("fabric: it is ready when the store and the nodes have every shard, and then setup runs once", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  CHECK(f.ready->nodes.size() == 2);
  CHECK(f.setups == 1);
  const auto rows = f.store.shards();
  REQUIRE(rows);
  CHECK(rows->size() == 8);
  const auto nodes = f.ps().nodes;
  REQUIRE(nodes.size() == 2);
  for (const auto& node : nodes) {
    CHECK(node.state == "ready");
    CHECK(node.shards == 4);
  }
  CHECK(f.ps().setup == "done");
  f.pass(1min);  // nodes that beat are left alone
  CHECK(f.host.spawned.size() == 2);
}

TEST_CASE("fabric: a node that dies loses its shards at once, and is started again after its backoff", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(1min);
  f.die(f.node(2), SIGSEGV);
  CHECK(f.host.removed_sockets.size() == 1);
  CHECK(f.ps().nodes.at(0).shards == 8);
  CHECK(f.ps().nodes.at(1).state == "backoff");
  CHECK(f.ps().nodes.at(1).last_exit == "was killed by signal 11 (SIGSEGV)");

  f.pass(f.options.restart.delay_first - 1ms);
  CHECK(f.host.spawned.size() == 2);
  f.pass(1ms);
  CHECK(f.host.spawned.size() == 3);
  f.pass(10s);
  CHECK(f.ps().nodes.at(1).state == "ready");
  CHECK(f.ps().nodes.at(1).shards == 4);
  CHECK(f.setups == 1);
}

TEST_CASE("fabric: when a node says that none can go on with the store, the fabric ends at once and says why",
          "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(1min);
  f.node(2).events.on_message(
      protocol::StartFailed{.message = "The log was cut off.", .hint = {}, .ends_fabric = true});
  f.wait_until([&] { return f.end.has_value(); }, 1s);
  CHECK(f.end->exit_code == kExitFailed);
  REQUIRE(f.end->error.has_value());
  CHECK(f.end->error->message == "The log was cut off.");
  CHECK_FALSE(f.node(1).is_alive);
  f.pass(1min);
  CHECK(f.host.spawned.size() == 2);
  const auto rows = f.store.shards();
  REQUIRE(rows);
  for (const auto& row : *rows) CHECK(row.node != NodeId{0});  // nothing more was written
}

TEST_CASE("fabric: a damaged store ends it before it is ready, however it was started", "[cluster]") {
  FabricFixture f;
  f.options.after_setup = GENERATE(AfterSetup::keep_running, AfterSetup::exit);
  f.store_error = {.code = storage::StoreErrorCode::corrupt,
                   .message = "The database is malformed. Nothing was done. Remove it: `rm x`. Run again."};
  f.start();
  f.wait_until([&] { return f.end.has_value(); }, 1s);
  CHECK(f.end->exit_code == kExitFailed);
  REQUIRE(f.end->error.has_value());
  CHECK(f.end->error->message == "The database is malformed. Nothing was done.");
  CHECK(f.end->error->hint == "Remove it: `rm x`. Run again.");
  CHECK_FALSE(f.ready.has_value());
}

TEST_CASE("fabric: a silent node keeps its shards until it has been killed", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  const pid_t pid = f.node(2).pid;
  f.paused.insert(pid);
  f.pass(f.options.silence_max - 200ms);
  CHECK(f.ps().nodes.at(1).pid == pid);
  CHECK(f.ps().nodes.at(1).shards == 4);
  CHECK(f.ps().nodes.at(1).state == "silent");
  f.pass(600ms);
  CHECK(f.log.find("node-2 has been silent for more than 5000ms: killing it.") != std::string::npos);
  CHECK(f.node(2).pid != pid);
}

TEST_CASE("fabric: a drained node gives up its shards, then stops, and the request is answered", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(10s);
  const auto drain = f.request("drain", R"({"node":"node-1"})");
  CHECK_FALSE(drain->is_ended());
  f.wait_until([&] { return drain->is_ended(); });
  CHECK(drain->all.back().status == protocol::AnswerStatus::ok);
  CHECK_FALSE(f.node(1).is_alive);
  CHECK(f.ps().nodes.at(0).state == "stopped");
  CHECK(f.ps().nodes.at(1).shards == 8);
  f.pass(1min);
  CHECK(f.host.spawned.size() == 2);
}

TEST_CASE("fabric: a rolling restart gives every node the new module, and all shards an owner", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.pass(10s);
  const auto restart = f.request("restart", R"({"rolling":true})");
  f.wait_until([&] { return restart->is_ended(); }, 1min);
  CHECK(restart->all.back().status == protocol::AnswerStatus::ok);
  f.pass(10s);
  const auto nodes = f.ps().nodes;
  REQUIRE(nodes.size() == 2);
  for (const auto& node : nodes) {
    CHECK(node.generation == 2);
    CHECK(node.shards == 4);
  }
}

TEST_CASE("fabric: the grace of a slow rolling restart counts for all nodes, and for the extra one", "[cluster]") {
  FabricFixture f(3);
  f.start_and_wait();
  f.pass(10s);
  const pid_t slow = f.node(1).pid;
  f.never_done.insert(slow);
  const auto restart = f.request("restart", R"({"rolling":true})");
  f.wait_until([&] { return f.announced_ago.contains("node-1"); });
  f.pass(4s);
  CHECK(f.announced_ago.at("node-1") < 1s);
  f.die(f.node(1), SIGKILL);  // as if it had ended what ran there
  f.wait_until([&] { return restart->is_ended(); }, 1min);
  for (const char* node : {"node-2", "node-3", "node-4"}) {
    CAPTURE(node);
    CHECK(f.announced_ago.at(node) >= 3s);
  }
}

TEST_CASE("fabric: an ordered stop ends when every node has left", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  const auto stop = f.request("stop");
  REQUIRE(f.end);
  CHECK(f.end->exit_code == kExitOk);
  CHECK_FALSE(f.end->error);
  CHECK(stop->is_ended());
  for (const auto& node : f.host.spawned) CHECK_FALSE(node->is_alive);
}

TEST_CASE("fabric: a node that has not stopped within the grace is killed, and the end names it", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.never_done.insert(f.node(1).pid);
  f.fabric->stop("the test ends");
  f.pass(f.options.fabric.grace);
  CHECK_FALSE(f.end);
  CHECK(f.log.find("node-1 has not finished yet") != std::string::npos);
  f.pass(500ms);
  REQUIRE(f.end);
  CHECK(f.end->exit_code == kExitFailed);
  REQUIRE(f.end->error);
  CHECK_THAT(f.end->error->message, Catch::StartsWith("node-1"));
}

TEST_CASE("fabric: it ends when its directory is gone", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.host.is_in_place = false;
  f.wait_until([&] { return f.end.has_value(); });
  CHECK(f.end->exit_code == kExitFailed);
  CHECK(f.end->error->message == "/arena/.epic was moved away or deleted while the fabric ran.");
}

TEST_CASE("fabric: one that is destroyed in the middle of its life leaves no process", "[cluster]") {
  FabricFixture f;
  f.start_and_wait();
  f.fabric.reset();
  for (const auto& node : f.host.spawned) CHECK_FALSE(node->is_alive);
}

TEST_CASE("fabric: an entity in whose turn nodes exit by themselves is quarantined", "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 3; ++death) {
    CHECK(f.ps().quarantined.empty());
    f.die_in_turn(Crash::Source::turn, [&] { f.exit(f.node(1), 3); });
  }
  CHECK_THAT(f.log, Catch::Contains("node-1 exited with code 3 while it ran Bomb/x.poke."));
  CHECK_THAT(f.log, Catch::Contains("Bomb/x is quarantined: 3 nodes died while they ran Bomb/x.poke"));
  REQUIRE(f.ps().quarantined.size() == 1);
  CHECK(f.ps().quarantined.front().entity == "Bomb/x");
}

TEST_CASE("fabric: an entity whose short turns are hit by SIGKILL is named and not quarantined", "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 10; ++death) f.die_in_turn(Crash::Source::turn, [&] { f.die(f.node(1), SIGKILL); });
  CHECK_THAT(f.log, Catch::Contains("node-1 was killed by signal 9 (SIGKILL) while it ran Bomb/x.poke. epic did not"));
  CHECK(f.ps().quarantined.empty());
}

TEST_CASE("fabric: an entity whose long turns end by SIGKILL, as those that use up the memory do, is quarantined",
          "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 3; ++death) f.die_in_turn(Crash::Source::long_turn, [&] { f.die(f.node(1), SIGKILL); });
  CHECK(f.ps().quarantined.size() == 1);
}

TEST_CASE("fabric: what a node runs when a person or epic kills it for something else is not named", "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 4; ++death)
    f.die_in_turn(Crash::Source::long_turn, [&] { f.request("kill", R"({"node":"node-1"})"); });
  f.die_in_turn(Crash::Source::turn, [&] {
    f.paused.insert(f.node(1).pid);
    f.wait_until([&] { return f.log.find("has been silent") != std::string::npos; });
    f.pass(1ms);
  });
  CHECK(f.log.find("Bomb/x") == std::string::npos);
}

TEST_CASE("fabric: a node that runs another program is killed before it counts as silent, and its entity is named",
          "[cluster]") {
  FabricFixture f(1);
  f.start_and_wait();
  for (int death = 0; death < 3; ++death)
    f.die_in_turn(Crash::Source::turn, [&] {
      const pid_t pid = f.node(1).pid;
      f.paused.insert(pid);
      f.node(1).events.on_cut_off();
      f.pass(Fleet::kReportTimeout - 1ms);
      CHECK(f.ps().nodes.at(0).pid == pid);  // it might have been about to end
      f.pass(1ms);
    });
  CHECK_THAT(f.log, Catch::Contains("was killed by signal 9 (SIGKILL) (has closed its connection to the supervisor, or "
                                    "runs another program) while it ran Bomb/x.poke."));
  CHECK(f.ps().quarantined.size() == 1);
}

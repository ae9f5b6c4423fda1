#pragma once
// FabricFixture: a supervisor in a world without processes, files and clocks. Its nodes do what they are told at once,
// except those that a test holds up.

#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/supervisor/fabric.hpp"
#include "codec/described_json.hpp"
#include "storage/memory_store.hpp"
#include "support/fake_host.hpp"

namespace epic::cluster::test {

namespace control = protocol::control;

using OpenedStore = std::expected<std::unique_ptr<storage::Store>, storage::StoreError>;

struct FakeModules final : Modules {
  std::expected<ModuleCopy, SupervisorError> take() override {
    return number({.generation = {}, .path = "/arena.so", .built_at = {}});
  }
  [[nodiscard]] ModuleCopy number(ModuleCopy copy) override {
    copy.generation = newest = newest.next();
    return copy;
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
  void wait_until(Condition is_true, std::chrono::nanoseconds timeout = std::chrono::seconds(20)) {
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
    return codec::read_described_text<control::Ps::Answer>(answers->all.back().body).value();
  }

  /// The process that node-`number` has now, or had last. Not its spare, which is spawned later.
  FakeNode& node(std::size_t number) {
    FakeNode* last = nullptr;
    for (const auto& one : host.spawned) {
      if (one->program.arguments.front() != "node-" + std::to_string(number)) continue;
      last = one.get();
      if (last->is_alive) return *last;
    }
    if (last != nullptr) return *last;
    FAIL("node-" << number << " was never started");
    throw std::logic_error("unreachable");
  }
  /// A rolling restart that waits for what runs on node-1.
  std::shared_ptr<Answers> begin_slow_restart() {
    never_done.insert(node(1).pid);
    const auto answers = request("restart", R"({"rolling":true})");
    wait_until([this] { return announced_ago.contains("node-1"); });
    return answers;
  }
  void die(FakeNode& node, int signal) {
    end_process(node, {.exit_code = 0, .signal = signal});
    settle();
  }

  /// One that was never done is.
  void release(FakeNode& node) {
    never_done.erase(node.pid);
    for (const protocol::Release& release : std::exchange(asked_back_[node.pid], {})) serve(node, release);
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
  storage::MemoryStore store{kernel::ungrouped(8), [] { return std::chrono::system_clock::time_point{}; }};
  std::optional<storage::StoreError> store_error;  // when the supervisor opens it
  std::optional<FabricReady> ready;
  std::optional<FabricEnd> end;
  std::string log;
  std::set<pid_t> paused;      // they read nothing and say nothing
  std::set<pid_t> never_done;  // with what runs there
  std::set<pid_t> configured;
  std::map<pid_t, int> maps;                                      // how many each has got
  std::map<std::string, std::chrono::nanoseconds> announced_ago;  // by node: of the last release that it was asked for
  int setups = 0;
  std::unique_ptr<Fabric> fabric;

 protected:
  /// Until neither the fabric nor a node has anything left to do.
  void settle() {
    while (host.settle() || serve_nodes()) {
    }
  }

 private:
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
    configured.insert(node.pid);
    node.events.on_message(
        protocol::Ready{.pid = node.pid, .version = options.version, .abi_tag = {}, .speaks = protocol::kSpoken});
    beat(*std::ranges::find(host.spawned, node.pid, [](const auto& one) { return one->pid; }));
  }
  void beat(const std::shared_ptr<FakeNode>& node) {
    static_cast<void>(host.start_timer(options.fabric.heartbeat, [this, node] {
      if (!node->is_alive) return;
      if (!paused.contains(node->pid)) node->events.on_message(protocol::Heartbeat{});
      beat(node);
    }));
  }
  void serve(FakeNode& node, const protocol::MapChange& change) {
    kernel::ShardMap& held = held_[node.pid];
    auto map = protocol::apply_map_change(held, change);
    // It may be meant for the process before, which has ended meanwhile.
    if (!map) return node.events.on_message(protocol::MapWanted{held.version});
    held = std::move(*map);
    serve(node, held);
  }
  void serve(FakeNode& node, const protocol::ShardMap& map) {
    protocol::Taken taken{.shards = {}, .map_version = map.version};
    if (map.version <= std::exchange(seen_[node.pid], map.version)) FAIL("a map that is not newer");
    ++maps[node.pid];
    std::set<std::uint32_t>& owned = owned_[node.pid];
    for (std::uint32_t shard = 0; shard < map.owners.size(); ++shard) {
      const bool is_its = node.program.arguments.front() == "node-" + std::to_string(map.owners[shard].value);
      if (!is_its) owned.erase(shard);
      const bool is_moving = std::ranges::find(map.moving, kernel::ShardId{shard}) != map.moving.end();
      if (is_its && !is_moving && owned.insert(shard).second)
        taken.shards.push_back({kernel::ShardId{shard}, kernel::Epoch{++epoch_}});
    }
    node.events.on_message(taken);
  }
  void serve(FakeNode& node, const protocol::Release& release) {
    announced_ago[node.program.arguments.front()] = release.announced_ago;
    if (never_done.contains(node.pid)) return asked_back_[node.pid].push_back(release);
    for (const kernel::ShardId shard : release.shards) {
      owned_[node.pid].erase(shard.value);
      node.events.on_message(protocol::Released{shard, release.map_version});
    }
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
  std::map<pid_t, kernel::MapVersion> seen_;
  std::map<pid_t, kernel::ShardMap> held_;
  std::map<pid_t, std::set<std::uint32_t>> owned_;
  std::map<pid_t, std::vector<protocol::Release>> asked_back_;  // by those that are never done
  std::vector<std::shared_ptr<Answers>> clients;                // replies hold them weakly
};

}  // namespace epic::cluster::test

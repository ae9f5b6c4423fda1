// epic::testing::Node: one kernel, a store in memory, a clock that jumps. What users include is epic/testing.hpp.

#include <fmt/format.h>

#include <deque>
#include <functional>
#include <stdexcept>

#include "codec/capnp_codec.hpp"
#include "epic/testing.hpp"
#include "kernel/assert.hpp"
#include "kernel/kernel.hpp"
#include "storage/memory_store.hpp"

namespace epic::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kShardCount = 8;
constexpr kernel::NodeId kNode{1};
constexpr std::int64_t kStartOfTimeNs = 1'700'000'000'000'000'000;  // wall clock of the first turn, November 2023
constexpr std::int64_t kWaitMaxNs = std::chrono::nanoseconds(24h).count();

}  // namespace

/// Everything around the kernel. Syscalls are answered by events, in order, never from inside the kernel.
struct Node::World final : kernel::Syscalls {
  explicit World(const ModuleInfo& the_module)
      : module(the_module), store(kShardCount, [this] { return wall_clock(); }) {}

  const ModuleInfo& module;
  codec::CapnpCodec codec;
  storage::MemoryStore store;
  std::vector<LogLine> lines;
  std::int64_t now_ns = 0;
  std::uint64_t life = 0;
  std::deque<std::function<void()>> events;
  std::unique_ptr<kernel::Kernel> node;

  [[nodiscard]] std::chrono::system_clock::time_point wall_clock() const {
    return std::chrono::system_clock::time_point(std::chrono::nanoseconds(kStartOfTimeNs + now_ns));
  }

  void start() {
    ++life;
    node = std::make_unique<kernel::Kernel>(
        kernel::KernelOptions{.self = {.node = kNode, .life = life}, .fabric = "test", .shard_count = kShardCount},
        codec, *this);
    if (const auto added = node->add_module(module); !added) throw std::invalid_argument(added.error());
    node->on_time(now_ns, kStartOfTimeNs + now_ns);
    node->on_shard_map({.version = kernel::MapVersion{life},
                        .owners = std::vector<kernel::NodeId>(kShardCount, kNode),
                        .members = {{.node = kNode, .incarnation = kernel::Incarnation{life}, .address = {}}}});
    settle();
  }

  void end() {
    node.reset();
    events.clear();
  }

  /// Runs all that can run without time passing.
  void settle() {
    do {
      while (!events.empty()) {
        const auto event = std::move(events.front());
        events.pop_front();
        event();
      }
      while (node->run(/*items=*/256)) continue;
      node->seal();
    } while (!events.empty());
  }

  void move_clock_to(std::int64_t time_ns) {
    now_ns = std::max(now_ns, time_ns);
    node->on_time(now_ns, kStartOfTimeNs + now_ns);
    settle();
  }

  void run_until(const std::function<bool()>& is_done, std::string_view what) {
    settle();
    const std::int64_t latest_ns = now_ns + kWaitMaxNs;
    while (!is_done()) {
      const auto due = node->next_timer_ns();
      if (!due || *due > latest_ns) throw std::logic_error(fmt::format("{} never ends: nothing is due", what));
      move_clock_to(*due);
    }
  }

  // ---- Syscalls ----
  void send(const kernel::PeerAddress& to, kernel::Message) override {
    EPIC_ASSERT(false, "the only node sends to node-{}", to.node);
  }
  void load(kernel::ActivationId activation, std::string_view type, std::string_view key) override {
    events.emplace_back([this, activation, result = read(type, key)] { node->on_loaded(activation, result); });
  }
  void commit(kernel::Batch batch) override {
    const auto done = store.commit(batch);
    EPIC_ASSERT(done.has_value(), "the store in memory refuses: {}", done.error().message);
    events.emplace_back([this, number = batch.number] { node->on_committed(number); });
  }
  void take(std::vector<kernel::ShardId> shards) override {
    const auto taken = store.take(shards, kNode, kernel::Incarnation{life});
    EPIC_ASSERT(taken.has_value(), "the store in memory refuses: {}", taken.error().message);
    events.emplace_back([this, epochs = *taken] { node->on_taken(epochs); });
  }
  void released(kernel::ShardId) override {}
  void log(kernel::LogLevel level, std::string_view entity, std::string_view message) override {
    lines.push_back({static_cast<epic::log::Level>(level), std::string(entity), std::string(message)});
  }

  kernel::LoadResult read(std::string_view type, std::string_view key) {
    auto snapshot = store.load(type, key);
    if (!snapshot) return std::unexpected(snapshot.error().message);
    if (!*snapshot) return std::nullopt;
    const auto schema = store.schema((*snapshot)->schema);
    if (!schema) return std::unexpected(schema.error().message);
    EPIC_ASSERT(schema->has_value(), "a snapshot of {}/{} without its schema", type, key);
    return kernel::LoadedState{.version = (*snapshot)->version,
                               .schema = (*snapshot)->schema,
                               .schema_text = **schema,
                               .bytes = std::move((*snapshot)->bytes)};
  }
};

Node::Node(const ModuleInfo& module) : world_(std::make_unique<World>(module)) { world_->start(); }

Node::~Node() { world_->end(); }

void Node::run_to_end(detail::RecordPtr<detail::CallRecord> record) {
  const std::string what = record->callee ? record->callee->text : "the call";
  bool is_ended = false;
  world_->node->submit(std::move(record), kernel::limits::kCallPatience,
                       [&is_ended](detail::CallRecord&) { is_ended = true; });
  world_->run_until([&is_ended] { return is_ended; }, what);
}

void Node::run_setup() {
  bool is_ended = false;
  std::exception_ptr thrown;
  world_->node->submit_task(world_->module.setup(Pool()), "setup", [&](detail::CallRecord& record) {
    is_ended = true;
    thrown = record.failure ? record.failure : record.thrown();
  });
  world_->run_until([&is_ended] { return is_ended; }, "setup");
  if (thrown) std::rethrow_exception(thrown);
}

void Node::pass(std::chrono::nanoseconds duration) {
  const std::int64_t end_ns = world_->now_ns + duration.count();
  world_->settle();
  for (auto due = world_->node->next_timer_ns(); due && *due < end_ns; due = world_->node->next_timer_ns())
    world_->move_clock_to(*due);
  world_->move_clock_to(end_ns);
}

void Node::restart() {
  world_->node->on_drain();
  world_->run_until([this] { return world_->node->is_drained(); }, "the drain");
  world_->end();
  world_->start();
}

void Node::crash() {
  world_->end();
  world_->start();
}

const std::vector<LogLine>& Node::log() const { return world_->lines; }

}  // namespace epic::testing

#pragma once
// SimFabric: several kernels in one thread under a virtual clock, network and store, all driven by one seed. For tests
// that hand a kernel its events one by one; the rest of a fabric is simulated in cluster/sim.
//
// Everything that a driver would do is a timed event: a frame arrives, a load or commit completes, a node dies. The
// next event runs, then the kernels it touched; what they ask for becomes further events after delays drawn from the
// seed. Messages between two nodes keep their order, as on a socket. Every event goes into a digest.
//
// Invariant: equal seeds and equal calls from the test give equal digests, to the byte.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "epic/module.hpp"
#include "kernel/kernel.hpp"
#include "sim/memory_files.hpp"
#include "storage/grants.hpp"
#include "storage/memory_store.hpp"

namespace epic::test {

struct SimOptions {
  std::uint64_t seed = 1;
  std::uint16_t nodes = 3;
  std::uint32_t shard_count = 16;
  std::chrono::nanoseconds frame_delay_max = std::chrono::microseconds(500);
  std::chrono::nanoseconds load_delay_max = std::chrono::microseconds(300);
  std::chrono::nanoseconds commit_delay_max = std::chrono::milliseconds(2);
  std::chrono::nanoseconds blocking_delay_max = std::chrono::milliseconds(1);  // before and after a function
  std::chrono::nanoseconds detect_delay = std::chrono::milliseconds(50);       // from a death to the next shard map
  std::chrono::nanoseconds call_timeout = kernel::limits::kCallTimeout;
  std::chrono::nanoseconds idle_age = kernel::limits::kIdleAge;
  std::uint64_t memory_budget_bytes = 0;
  std::uint64_t calls_bytes_max = kernel::limits::kCallsBytesMax;
  std::size_t unread_max = 0;  // messages from one node to another; then there is no room for calls; 0: always
};

/// A line logged by an entity through epic::log, or by its node about it.
struct LogLine {
  kernel::NodeId node;
  kernel::LogLevel level;
  std::string entity;  // empty in setup
  std::string message;
};

class SimFabric {
 public:
  SimFabric(SimOptions options, const ModuleInfo& module, const kernel::Codec& codec);
  ~SimFabric();
  SimFabric(const SimFabric&) = delete;
  SimFabric& operator=(const SimFabric&) = delete;

  /// Runs the next event. Returns false if none is left.
  bool step();
  /// Runs events until `done` returns true or `limit` of virtual time has passed. Returns whether it was done.
  bool run_until(const std::function<bool()>& done, std::chrono::nanoseconds limit = std::chrono::seconds(120));
  void run_for(std::chrono::nanoseconds duration);

  /// Makes a call as a client of `node` (1 …) and runs the fabric until it ends. Throws what the call ends with.
  template <class R>
  R call(std::uint16_t node, Call<R>&& call) {
    auto record = std::move(call).epic_take_record();
    const detail::RecordPtr<detail::ResultRecord<R>> kept = record;
    bool is_done = false;
    submit(node, kernel::RecordRef(record.detach()), [&is_done](kernel::Record&) { is_done = true; });
    if (!run_until([&] { return is_done; }))
      throw std::logic_error("the simulated fabric came to rest without an answer");
    return kept->take();
  }
  /// Starts a call without waiting; the returned flag is set when it has ended.
  template <class R>
  std::shared_ptr<bool> start_call(std::uint16_t node, Call<R>&& call,
                                   std::function<void(detail::ResultRecord<R>&)> on_end) {
    auto ended = std::make_shared<bool>(false);
    auto record = std::move(call).epic_take_record();
    submit(node, kernel::RecordRef(record.detach()), [ended, on_end = std::move(on_end)](kernel::Record& done) {
      *ended = true;
      if (on_end) on_end(static_cast<detail::ResultRecord<R>&>(done));
    });
    return ended;
  }

  /// The same for calls whose result type is unknown here: `on_end` runs when the result may be observed.
  void submit(std::uint16_t node, kernel::RecordRef record, std::function<void(kernel::Record&)> on_end);
  /// Runs a Task that belongs to no entity, such as setup, to its end. Throws what it throws.
  void run_task(std::uint16_t node, Task<void> task, std::string label, std::chrono::nanoseconds limit);

  /// Saves everything and stops the node in order. False if that took longer than `limit`; the node is then still
  /// there.
  bool stop(std::uint16_t node, std::chrono::nanoseconds limit);
  /// Ends the process at once; its shards go to the other nodes after detect_delay.
  void kill(std::uint16_t node);
  /// The other nodes take it for dead after detect_delay and divide its shards; it is not notified, and goes on.
  void forsake(std::uint16_t node);
  /// Starts a new incarnation in the slot; it gets shards back from the others by planned moves.
  void restart(std::uint16_t node);
  /// Asks the owner to hand the shard over to `to`, as a planned move. Does nothing if the shard is already moving.
  /// `announced_ago`: since when the grace counts.
  void move_shard(kernel::ShardId shard, std::uint16_t to, std::chrono::nanoseconds announced_ago = {});
  /// Sets the wall clock of all nodes forward or back.
  void move_wall_clock(std::chrono::nanoseconds by) { wall_offset_ns_ += by.count(); }
  /// Confirms no commit until released, like a full disk.
  void hold_commits(bool is_held);

  [[nodiscard]] kernel::Kernel& kernel(std::uint16_t node);
  [[nodiscard]] bool is_alive(std::uint16_t node) const { return nodes_.contains(node); }
  [[nodiscard]] storage::MemoryStore& store() { return store_; }
  [[nodiscard]] sim::MemoryFiles& files() { return files_; }
  [[nodiscard]] std::uint16_t owner_of(std::string_view entity) const;
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(wall_ns())));
  }
  [[nodiscard]] std::chrono::nanoseconds now() const { return std::chrono::nanoseconds(now_ns_); }
  /// The digest of all events so far.
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  [[nodiscard]] std::uint64_t event_count() const { return event_count_; }
  /// Everything that entities have logged, in order.
  [[nodiscard]] const std::vector<LogLine>& log() const { return log_; }

 private:
  class Node;
  struct Event {
    std::int64_t time_ns;
    std::uint64_t order;
    std::uint16_t node;         // 0: the fabric itself
    std::uint64_t life;         // the event is dropped if the node's life has changed
    std::uint64_t fingerprint;  // goes into the digest
    std::function<void()> run;
    bool operator>(const Event& other) const {
      return time_ns != other.time_ns ? time_ns > other.time_ns : order > other.order;
    }
  };

  void schedule(std::uint16_t node, std::chrono::nanoseconds delay, std::uint64_t fingerprint,
                std::function<void()> run);
  void tell(std::uint16_t node, std::uint64_t fingerprint, std::function<void()> run);
  void schedule_at(std::uint16_t node, std::int64_t time_ns, std::uint64_t fingerprint, std::function<void()> run);
  [[nodiscard]] std::chrono::nanoseconds draw(std::chrono::nanoseconds max);
  [[nodiscard]] std::int64_t wall_ns() const;
  void boot(std::uint16_t node);
  void publish_map();
  void share_shards_of(std::uint16_t node);
  void drive(Node& node);
  [[nodiscard]] Node* find_node(std::uint16_t node);

  SimOptions options_;
  const ModuleInfo& module_;
  const kernel::Codec& codec_;
  std::mt19937_64 random_;
  storage::MemoryStore store_;
  sim::MemoryFiles files_;
  storage::Granter grants_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::map<std::uint16_t, std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Node>> graveyard_;  // dead nodes: never run again, freed with the fabric
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::int64_t> last_arrival_ns_;
  std::vector<std::uint16_t> owners_;
  std::vector<std::uint16_t> published_owners_;
  std::vector<kernel::MapVersion> owned_since_;   // by version of the newest change
  std::map<std::uint32_t, std::uint16_t> moves_;  // shard → node, under way
  std::set<std::uint16_t> forsaken_;              // alive but not members
  std::uint64_t map_version_ = 0;
  std::uint64_t next_life_ = 1;
  std::uint64_t next_order_ = 1;
  std::uint64_t event_count_ = 0;
  std::int64_t now_ns_ = 1;
  std::int64_t wall_offset_ns_ = 0;
  std::uint64_t digest_ = 0;
  bool are_commits_held_ = false;
  std::vector<std::function<void()>> held_commits_;
  std::vector<LogLine> log_;
};

}  // namespace epic::test

#pragma once
// Engine: a node's kernel with its transport and its store's work, tick by tick.
//
//     tick: answers of storage and threads, posted work ─▶ kernel events ─▶ run ─▶ seal ─▶ write to peers, ask the
//     storage
//
// The kernel's syscalls only fill queues. The end of a tick hands over each queue at once, so that a tick costs one
// write per peer and one wake-up of a storage worker, however much happened in it. The kernel's time is the clock at
// the tick's first event.
//
// Invariant: under a lease, no turn runs unless the lease was valid after the tick's last read. So whatever runs was
//            asked for while no other node could have changed what it sees, even if the process is stopped in between.
//            Bytes for peers and clients are looked at once more when they are written (TransportEvents::may_send).
//
// No threads, sockets or clock of its own: a real node's is driver.hpp, a simulated one's is cluster/sim.
// Not here: the supervisor's messages and the inspector's requests (node/).

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/blocking_pool.hpp"
#include "io/clock.hpp"
#include "io/lease.hpp"
#include "io/storage_work.hpp"
#include "io/turn_counter.hpp"
#include "kernel/kernel.hpp"
#include "protocol/machine_place.hpp"
#include "protocol/node_counters.hpp"
#include "transport/transport.hpp"

namespace epic::io {

struct EngineEvents {
  /// The store has granted us the shards of a map, each with its epoch.
  std::function<void(const std::vector<kernel::ShardEpoch>&)> on_taken;
  /// A shard that was asked back is drained and saved.
  std::function<void(kernel::ShardId)> on_released;
  /// Another node owns what we write, or the disk failed: the process must end now, without sending anything more.
  std::function<void(const storage::StoreError&)> on_fatal;
  /// A line for the log.
  std::function<void(kernel::LogLevel, std::string_view entity, std::string_view message)> on_log;
};

/// What an engine runs on; all of it outlives the engine.
struct EngineParts {
  const kernel::Codec& codec;
  const Clock& clock;
  TurnCounter& turns;
  StorageWork& storage;
  BlockingPool& blocking;
  std::function<std::unique_ptr<transport::Transport>(transport::TransportEvents)> make_transport;
  /// Reads the last words of a node that was lost: see Kernel::on_peer_lost.
  std::function<std::string(const kernel::PeerAddress&)> read_last_words = [](const auto&) { return std::string(); };
};

/// The part of the engine's state that other threads may read at any time.
class EngineGauges {
 public:
  /// Why the store cannot write, and since when (monotonic).
  struct Blocked {
    std::string reason;  // empty: it can
    std::int64_t since_ns = 0;
  };

  /// Once per tick. The reader adds the process's resident bytes.
  void publish(const protocol::control::NodeCounters& counters) {
    const std::lock_guard lock(mutex_);
    counters_ = counters;
  }
  void publish(Blocked blocked) {
    const std::lock_guard lock(mutex_);
    blocked_ = std::move(blocked);
  }
  [[nodiscard]] protocol::control::NodeCounters counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
  }
  [[nodiscard]] Blocked blocked() const {
    const std::lock_guard lock(mutex_);
    return blocked_;
  }

 private:
  mutable std::mutex mutex_;
  protocol::control::NodeCounters counters_;
  Blocked blocked_;
};

class Engine final : public kernel::Syscalls {
 public:
  Engine(kernel::KernelOptions options, LeaseMode lease, const EngineParts& parts, EngineEvents events);
  ~Engine() override;

  [[nodiscard]] kernel::Kernel& kernel() { return kernel_; }
  [[nodiscard]] transport::Transport& transport() { return *transport_; }
  [[nodiscard]] StorageWork& storage() { return storage_; }
  [[nodiscard]] const EngineGauges& gauges() const { return gauges_; }
  [[nodiscard]] const Lease& lease() const { return lease_; }

  /// After the modules are in the kernel: introduces the node and starts listening. The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> open(const std::string& address);
  /// After open(): listens for processes of other machines, and returns the port.
  [[nodiscard]] std::expected<std::uint16_t, std::string> listen_at(const protocol::TcpPlace& place);
  /// If it brings shards, on_taken follows.
  void on_shard_map(kernel::ShardMap map);
  /// The supervisor has renewed the machine's lease. What has waited for it has its turn with the next tick.
  void on_lease(BootTime valid_until) { lease_.renew(valid_until); }

  // ---- a tick: begin_tick(), whatever has arrived from the network, tick()
  void begin_tick() { is_time_fresh_ = false; }
  /// Updates the kernel's clock, once per tick; before an event that does not come through the engine.
  void touch_time();
  void tick();
  /// False: nothing to do before next_wake_ns(), unless something arrives.
  [[nodiscard]] bool has_work() { return may_run_ && kernel_.run(0); }
  /// When a tick is needed, on the monotonic clock; INT64_MAX: never.
  [[nodiscard]] std::int64_t next_wake_ns() const;
  /// Ensures a tick at this time (monotonic) at the latest.
  void wake_at(std::int64_t monotonic_ns) { wake_at_ns_ = monotonic_ns; }
  /// Instead of a tick, when nothing is to run any more: the transport alone.
  void tick_transport();

  // ---- kernel::Syscalls
  void send(const kernel::PeerAddress& to, kernel::Message message) override;
  [[nodiscard]] bool has_room(const kernel::PeerAddress& to) const override { return transport_->has_room(to); }
  void load(kernel::ActivationId activation, std::string_view type, std::string_view key) override;
  void load_mail(const kernel::ShardEpoch& tenure, std::uint64_t after) override;
  void load_answer(const kernel::ShardEpoch& tenure, const kernel::AnswerId& id) override;
  void load_oldest_answer(const kernel::ShardEpoch& tenure) override;
  void load_reminders(const kernel::ShardEpoch& tenure, const kernel::ReminderPlace& after, std::size_t limit) override;
  void commit(kernel::Batch batch) override;
  void take(std::vector<kernel::ShardId> shards) override;
  void released(kernel::ShardId shard) override;
  void start_blocking(std::shared_ptr<detail::BlockingWork> work) override;
  void log(kernel::LogLevel level, std::string_view entity, std::string_view message) override;

 private:
  [[nodiscard]] transport::TransportEvents transport_events();
  void on_storage_events();
  void on_blocking_ended();
  void on_taken(StorageWork::Taken taken);
  void on_blocked(std::string reason);
  void on_unblocked();
  void run_turns();
  void publish_gauges();

  const Clock& clock_;
  Lease lease_;
  TurnCounter& turns_;
  std::function<std::string(const kernel::PeerAddress&)> read_last_words_;
  EngineEvents events_;
  kernel::Kernel kernel_;
  std::unique_ptr<transport::Transport> transport_;
  StorageWork& storage_;
  BlockingPool& blocking_;
  EngineGauges gauges_;
  std::vector<std::uint64_t> newest_take_;  // by shard: only the newest take of a shard counts
  bool is_time_fresh_ = false;
  bool may_run_ = true;  // turns, in this tick
  std::int64_t wake_at_ns_ = INT64_MAX;
};

}  // namespace epic::io

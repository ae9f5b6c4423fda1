#pragma once
// Driver: the real world around a kernel. One thread runs both: it polls the network between turns, and sleeps only
// when there is nothing to do.
//
//     tick: network, storage answers, posted work ─▶ kernel events ─▶ run ─▶ seal ─▶ write to peers, ask the storage
//
// The kernel's syscalls only fill queues. The end of a tick hands over each queue at once, so that a tick costs one
// write per peer and one wake-up of a storage worker, however much happened in it. The kernel's time is the clock at
// the tick's first event.
//
// Everything runs on the thread that calls run(), unless stated otherwise.
// Not here: the supervisor's messages and the inspector's requests (node/).

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/heap.hpp"
#include "io/log_sink.hpp"
#include "io/storage_workers.hpp"
#include "io/turn_watch.hpp"
#include "kernel/kernel.hpp"
#include "protocol/node_counters.hpp"
#include "transport/transport.hpp"

namespace epic::io {

struct DriverEvents {
  /// The store has granted us the shards of a map, each with its epoch.
  std::function<void(const std::vector<kernel::ShardEpoch>&)> on_taken;
  /// A shard that was asked back is drained and saved.
  std::function<void(kernel::ShardId)> on_released;
  /// Another node owns what we write, or the disk failed: the process must end now, without sending anything more.
  std::function<void(const std::string& reason)> on_fatal;
};

/// The part of the driver's state that other threads may read at any time.
class DriverGauges {
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

class Driver final : public kernel::Syscalls {
 public:
  Driver(kernel::KernelOptions options, const kernel::Codec& codec, std::unique_ptr<storage::Store> store, LogSink& log,
         TurnWatch& watch, DriverEvents events);
  ~Driver() override;

  [[nodiscard]] kernel::Kernel& kernel() { return kernel_; }
  [[nodiscard]] StorageWorkers& storage() { return storage_; }
  [[nodiscard]] const DriverGauges& gauges() const { return gauges_; }

  /// After the modules are in the kernel: introduces the node and starts listening. The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> open(const std::string& address);
  /// True if it has brought shards, which are being taken: on_taken follows.
  bool on_shard_map(kernel::ShardMap map);

  /// Ticks until `is_done`, called once per tick, returns true.
  void run(const std::function<bool()>& is_done);
  /// Updates the kernel's clock; before an event that does not come through the driver.
  void touch_time();
  /// Ensures a tick at this time (monotonic) at the latest.
  void wake_at(std::int64_t monotonic_ns) { wake_at_ns_ = monotonic_ns; }
  /// Waits until peers have received what was sent to them, up to a limit. Instead of run().
  void flush_within(std::chrono::milliseconds patience);
  /// The kernel is drained: reports to peers that unanswered calls were not started, and waits until they have received
  /// it, up to a limit. Instead of run().
  void part_within(std::chrono::milliseconds patience);
  /// Any thread: runs `work` on the driver's thread, at the start of a tick.
  void post(std::function<void()> work);

  // ---- kernel::Syscalls
  void send(const kernel::PeerAddress& to, kernel::Message message) override;
  void load(kernel::ActivationId activation, std::string_view type, std::string_view key) override;
  void commit(kernel::Batch batch) override;
  void take(std::vector<kernel::ShardId> shards) override;
  void released(kernel::ShardId shard) override;
  void log(kernel::LogLevel level, std::string_view entity, std::string_view message) override;

 private:
  [[nodiscard]] transport::TransportEvents transport_events();
  void poll_network();
  void run_network(std::chrono::milliseconds patience, const std::function<bool()>& is_done);
  void sleep();
  void on_storage_events();
  void on_taken(StorageWorkers::Taken taken);
  void on_blocked(std::string reason);
  void on_unblocked();
  [[nodiscard]] bool run_turns();
  void measure_memory();

  LogSink& log_;
  TurnWatch& watch_;
  DriverEvents events_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  kernel::Kernel kernel_;
  std::unique_ptr<transport::Transport> transport_;
  StorageWorkers storage_;
  DriverGauges gauges_;
  std::vector<std::uint64_t> newest_take_;  // by shard: only the newest take of a shard counts
  bool is_taking_ = false;                  // the last map has brought shards
  bool is_time_fresh_ = false;
  bool has_log_left_ = false;
  std::int64_t wake_at_ns_ = INT64_MAX;
  std::uint64_t own_bytes_ = 0;  // in use before the first activation
  HeapTrimmer trimmer_;
};

}  // namespace epic::io

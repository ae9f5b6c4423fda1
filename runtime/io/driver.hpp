#pragma once
// Driver: the real world around an engine. One thread runs both: it polls the network between turns, and sleeps only
// when there is nothing to do.
//
// Everything runs on the thread that calls run(), unless stated otherwise.
// Not here: what happens in a tick (engine.hpp); the supervisor's messages and the inspector's requests (node/).

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "io/blocking_threads.hpp"
#include "io/engine.hpp"
#include "io/heap.hpp"
#include "io/log_sink.hpp"
#include "io/storage_workers.hpp"
#include "protocol/machine_place.hpp"

namespace epic::io {

class Driver {
 public:
  Driver(std::unique_ptr<storage::Store> store, BlockingOptions blocking, LogSink& log);
  ~Driver();

  [[nodiscard]] StorageWorkers& storage() { return storage_; }
  [[nodiscard]] BlockingThreads& blocking() { return blocking_; }
  /// For the engine. `place` outlives it.
  [[nodiscard]] std::unique_ptr<transport::Transport> make_transport(transport::TransportEvents events,
                                                                     const protocol::MachinePlace& place);

  /// Ticks until `is_done`, called once per tick, returns true.
  void run(Engine& engine, const std::function<bool()>& is_done);
  /// Waits until peers have received what was sent to them, up to a limit. Instead of run().
  void flush_within(Engine& engine, std::chrono::milliseconds timeout);
  /// The kernel is drained: reports to peers that unanswered calls were not started, and waits until they have received
  /// it, up to a limit. Instead of run().
  void part_within(Engine& engine, std::chrono::milliseconds timeout);
  /// Any thread: runs `work` on the driver's thread, between two ticks.
  void post(std::function<void()> work);
  /// A line was logged: it is written again if the reader is slow.
  void note_log() { has_log_left_ = true; }

 private:
  void poll_network();
  void run_network(Engine& engine, std::chrono::milliseconds timeout, const std::function<bool()>& is_done);
  void sleep(const Engine& engine);
  void measure_memory(kernel::Kernel& kernel);

  LogSink& log_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  StorageWorkers storage_;
  BlockingThreads blocking_;
  bool has_log_left_ = false;
  std::uint64_t own_bytes_ = 0;  // in use before the first activation
  HeapTrimmer trimmer_;
};

}  // namespace epic::io

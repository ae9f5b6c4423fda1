#include "io/driver.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "io/clock.hpp"
#include "kernel/frame_pool.hpp"
#include "transport/make_transport.hpp"

namespace epic::io {

namespace {

constexpr int kHandlersPerTick = 128;
constexpr int kHandlersAtEndMax = 4096;
constexpr std::int64_t kLogRetryNs = 10'000'000;  // while our log is not being read

std::chrono::steady_clock::time_point time_point(std::int64_t monotonic_ns) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(monotonic_ns));
}

}  // namespace

Driver::Driver(std::unique_ptr<storage::Store> store, BlockingOptions blocking, LogSink& log)
    : log_(log),
      storage_(std::move(store), [this] { boost::asio::post(context_, [] {}); }),
      blocking_(std::move(blocking), [this] { boost::asio::post(context_, [] {}); }) {}

Driver::~Driver() = default;

std::unique_ptr<transport::Transport> Driver::make_transport(transport::TransportEvents events,
                                                             const protocol::MachinePlace& place) {
  return transport::make_transport(context_, std::move(events), place);
}

// ---- ticks ----

void Driver::run(Engine& engine, const std::function<bool()>& is_done) {
  own_bytes_ = heap_bytes() + kernel::frame_bytes();
  bool has_more = true;  // whatever arrived before the first tick
  while (true) {
    engine.begin_tick();
    if (!has_more) sleep(engine);
    poll_network();
    engine.tick();
    if (has_log_left_) has_log_left_ = log_.flush();
    measure_memory(engine.kernel());
    if (is_done()) return;
    has_more = engine.has_work();
  }
}

void Driver::sleep(const Engine& engine) {
  std::int64_t until_ns = std::min(engine.next_wake_ns(), trimmer_.next_timer_ns().value_or(INT64_MAX));
  if (has_log_left_) until_ns = std::min(until_ns, monotonic_ns() + kLogRetryNs);
  if (until_ns == INT64_MAX) {
    context_.run_one();
  } else {
    context_.run_one_until(time_point(until_ns));
  }
}

void Driver::measure_memory(kernel::Kernel& kernel) {
  const std::uint64_t heap = heap_bytes();
  if (heap == 0) return;  // this program does not count
  const std::uint64_t bytes = heap + kernel::frame_bytes();
  kernel.on_memory(bytes - std::min(bytes, own_bytes_));
  trimmer_.on_tick(kernel.now_ns(), bytes);
}

void Driver::poll_network() {
  for (int i = 0; i < kHandlersPerTick && context_.poll_one() > 0; ++i) {
  }
}

/// Polls the network and nothing else, until `is_done`, up to a limit.
void Driver::run_network(Engine& engine, std::chrono::milliseconds timeout, const std::function<bool()>& is_done) {
  const std::int64_t until_ns = monotonic_ns() + std::chrono::nanoseconds(timeout).count();
  while (true) {
    engine.tick_transport();
    if (is_done() || engine.kernel().now_ns() >= until_ns) return;
    context_.run_one_until(time_point(std::min(until_ns, engine.transport().next_timer_ns().value_or(INT64_MAX))));
  }
}

void Driver::flush_within(Engine& engine, std::chrono::milliseconds timeout) {
  run_network(engine, timeout, [&] { return engine.transport().unsent_bytes() == 0; });
}

void Driver::part_within(Engine& engine, std::chrono::milliseconds timeout) {
  engine.transport().hide();
  // Peers that have connected before get an answer: that this node refuses them.
  for (int i = 0; i < kHandlersAtEndMax && context_.poll_one() > 0; ++i) {
  }
  engine.transport().part();
  run_network(engine, timeout, [&] { return engine.transport().is_alone(); });
}

void Driver::post(std::function<void()> work) { boost::asio::post(context_, std::move(work)); }

}  // namespace epic::io

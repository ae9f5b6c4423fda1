#include "io/driver.hpp"

#include <fmt/format.h>

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
constexpr int kItemsPerTick = 256;
constexpr int kHandlersAtEndMax = 4096;
constexpr std::int64_t kLogRetryNs = 10'000'000;  // while our log is not being read

}  // namespace

Driver::Driver(kernel::KernelOptions options, const kernel::Codec& codec, std::unique_ptr<storage::Store> store,
               LogSink& log, TurnWatch& watch, DriverEvents events)
    : log_(log),
      watch_(watch),
      events_(std::move(events)),
      kernel_(std::move(options), codec, *this),
      transport_(transport::make_transport(context_, transport_events())),
      storage_(std::move(store), [this] { boost::asio::post(context_, [] {}); }),
      newest_take_(kernel_.options().shard_count) {
  touch_time();
  transport_->on_time(kernel_.now_ns());
}

Driver::~Driver() = default;

transport::TransportEvents Driver::transport_events() {
  return {.on_hello =
              [this](const kernel::PeerAddress& from, kernel::HelloMessage hello) {
                touch_time();
                kernel_.on_hello(from, hello);
              },
          .on_message =
              [this](const kernel::PeerAddress& from, kernel::Message message) {
                touch_time();
                kernel_.on_message(from, std::move(message));
              },
          .on_lost =
              [this](const kernel::PeerAddress& peer) {
                touch_time();
                kernel_.on_peer_lost(peer);
              },
          .on_map = {},
          .on_unmet = {},
          .on_note = [this](kernel::LogLevel level, const std::string& text) { log(level, {}, text); }};
}

std::expected<void, std::string> Driver::open(const std::string& address) {
  own_bytes_ = heap_bytes() + kernel::frame_bytes();
  transport_->introduce(kernel_.hello());
  return transport_->listen(address);
}

bool Driver::on_shard_map(kernel::ShardMap map) {
  touch_time();
  transport_->set_map(map);
  is_taking_ = false;
  kernel_.on_shard_map(std::move(map));
  return is_taking_;
}

// ---- ticks ----

void Driver::run(const std::function<bool()>& is_done) {
  bool has_more = true;  // whatever arrived before the first tick
  while (true) {
    is_time_fresh_ = false;
    if (!has_more) sleep();
    poll_network();
    touch_time();
    transport_->on_time(kernel_.now_ns());
    on_storage_events();
    static_cast<void>(run_turns());
    watch_.begin();
    kernel_.on_store_writing(storage_.is_writing());
    kernel_.seal();
    watch_.end();
    storage_.flush();  // first: others wait for their turn to write, too
    transport_->flush();
    if (has_log_left_) has_log_left_ = log_.flush();
    measure_memory();
    const kernel::KernelStats stats = kernel_.stats();
    gauges_.publish({.entities = stats.entities,
                     .calls = stats.calls_pending,
                     .resident_bytes = 0,
                     .entity_bytes = stats.memory_bytes,
                     .commits = stats.commits,
                     .rows = stats.rows});
    if (is_done()) return;
    has_more = kernel_.run(0);
  }
}

void Driver::sleep() {
  std::int64_t until_ns = std::min(wake_at_ns_, kernel_.next_timer_ns().value_or(INT64_MAX));
  until_ns = std::min(until_ns, transport_->next_timer_ns().value_or(INT64_MAX));
  until_ns = std::min(until_ns, trimmer_.next_timer_ns().value_or(INT64_MAX));
  if (has_log_left_) until_ns = std::min(until_ns, monotonic_ns() + kLogRetryNs);
  if (until_ns == INT64_MAX) {
    context_.run_one();
  } else {
    context_.run_one_until(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(until_ns)));
  }
}

void Driver::measure_memory() {
  const std::uint64_t heap = heap_bytes();
  if (heap == 0) return;  // this program does not count
  const std::uint64_t bytes = heap + kernel::frame_bytes();
  kernel_.on_memory(bytes - std::min(bytes, own_bytes_));
  trimmer_.on_tick(kernel_.now_ns(), bytes);
}

void Driver::poll_network() {
  for (int i = 0; i < kHandlersPerTick && context_.poll_one() > 0; ++i) {
  }
}

void Driver::touch_time() {
  if (std::exchange(is_time_fresh_, true)) return;
  watch_.begin();
  kernel_.on_time(monotonic_ns(), wall_ns());
  watch_.end();
}

bool Driver::run_turns() {
  for (int i = 0; i < kItemsPerTick; ++i) {
    watch_.begin();
    const bool has_more = kernel_.run(1);
    watch_.end();
    if (!has_more) return false;
  }
  return true;
}

void Driver::on_storage_events() {
  for (StorageWorkers::Event& event : storage_.events()) {
    watch_.begin();
    if (auto* loaded = std::get_if<StorageWorkers::Loaded>(&event))
      kernel_.on_loaded(loaded->activation, std::move(loaded->result));
    else if (const auto* committed = std::get_if<StorageWorkers::Committed>(&event))
      kernel_.on_committed(committed->number);
    else if (auto* taken = std::get_if<StorageWorkers::Taken>(&event))
      on_taken(std::move(*taken));
    else if (auto* fatal = std::get_if<StorageWorkers::Fatal>(&event))
      events_.on_fatal(fatal->reason);
    else if (auto* blocked = std::get_if<StorageWorkers::Blocked>(&event))
      on_blocked(std::move(blocked->reason));
    else if (std::holds_alternative<StorageWorkers::Unblocked>(event))
      on_unblocked();
    else if (const auto& then = std::get<StorageWorkers::Continuation>(event))
      then();
    watch_.end();
  }
}

/// Reported with each failed try; logged once.
void Driver::on_blocked(std::string reason) {
  if (gauges_.blocked().reason.empty()) {
    log(kernel::LogLevel::error, {},
        "nothing can be saved at the moment, and new work is refused until it can: " + reason);
    gauges_.publish(DriverGauges::Blocked{.reason = reason, .since_ns = kernel_.now_ns()});
  }
  kernel_.on_store_blocked(std::move(reason));
}

void Driver::on_unblocked() {
  kernel_.on_store_unblocked();
  const DriverGauges::Blocked blocked = gauges_.blocked();
  gauges_.publish(DriverGauges::Blocked{});
  log(kernel::LogLevel::info, {},
      fmt::format("saving works again after {} ms", (kernel_.now_ns() - blocked.since_ns) / 1'000'000));
}

void Driver::on_taken(StorageWorkers::Taken taken) {
  std::erase_if(taken.epochs,
                [&](const kernel::ShardEpoch& one) { return newest_take_[one.shard.value] != taken.job; });
  kernel_.on_taken(taken.epochs);
  if (events_.on_taken) events_.on_taken(taken.epochs);
}

/// Polls the network and nothing else, until `is_done`, up to a limit.
void Driver::run_network(std::chrono::milliseconds patience, const std::function<bool()>& is_done) {
  const std::int64_t until_ns = monotonic_ns() + std::chrono::nanoseconds(patience).count();
  while (true) {
    is_time_fresh_ = false;
    touch_time();
    transport_->on_time(kernel_.now_ns());
    transport_->flush();
    if (is_done() || kernel_.now_ns() >= until_ns) return;
    const std::int64_t wake_ns = std::min(until_ns, transport_->next_timer_ns().value_or(INT64_MAX));
    context_.run_one_until(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(wake_ns)));
  }
}

void Driver::flush_within(std::chrono::milliseconds patience) {
  run_network(patience, [this] { return transport_->unsent_bytes() == 0; });
}

void Driver::part_within(std::chrono::milliseconds patience) {
  transport_->hide();
  // Peers that have connected before get an answer: that this node refuses them.
  for (int i = 0; i < kHandlersAtEndMax && context_.poll_one() > 0; ++i) {
  }
  transport_->part();
  run_network(patience, [this] { return transport_->is_alone(); });
}

void Driver::post(std::function<void()> work) {
  boost::asio::post(context_, [this, work = std::move(work)] {
    touch_time();
    work();
  });
}

// ---- syscalls ----

void Driver::send(const kernel::PeerAddress& to, kernel::Message message) { transport_->send(to, std::move(message)); }

void Driver::load(kernel::ActivationId activation, std::string_view type, std::string_view key) {
  storage_.load(activation, type, key);
}

void Driver::commit(kernel::Batch batch) { storage_.commit(std::move(batch)); }

void Driver::take(std::vector<kernel::ShardId> shards) {
  const std::uint64_t job =
      storage_.take(shards, kernel_.options().self.node, kernel::Incarnation{kernel_.options().self.life});
  for (const kernel::ShardId shard : shards) newest_take_[shard.value] = job;
  is_taking_ = true;
}

void Driver::released(kernel::ShardId shard) {
  if (events_.on_released) events_.on_released(shard);
}

void Driver::log(kernel::LogLevel level, std::string_view entity, std::string_view message) {
  log_.write(static_cast<protocol::LogLevel>(level), entity, message);
  has_log_left_ = true;
}

}  // namespace epic::io

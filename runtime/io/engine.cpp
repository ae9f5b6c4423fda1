#include "io/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "transport/refused_counts.hpp"
#include "transport/tcp_place.hpp"

namespace epic::io {

namespace {

constexpr int kItemsPerTick = 256;
/// While the lease is over, timers that are due are looked at this often.
constexpr std::int64_t kLookWithoutLeaseNs = 10'000'000;

}  // namespace

Engine::Engine(kernel::KernelOptions options, LeaseMode lease, const EngineParts& parts, EngineEvents events)
    : clock_(parts.clock),
      lease_(parts.clock, lease),
      turns_(parts.turns),
      read_last_words_(parts.read_last_words),
      events_(std::move(events)),
      kernel_(std::move(options), parts.codec, *this),
      transport_(parts.make_transport(transport_events())),
      storage_(parts.storage),
      blocking_(parts.blocking),
      newest_take_(kernel_.options().placement.shard_count()) {
  touch_time();
  transport_->on_time(kernel_.now_ns());
}

Engine::~Engine() = default;

transport::TransportEvents Engine::transport_events() {
  return {.may_send = lease_.exists() ? [this] { return lease_.is_valid(); } : std::function<bool()>(),
          .on_hello =
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
                kernel_.on_peer_lost(peer, read_last_words_(peer));
              },
          .on_room =
              [this](const kernel::PeerAddress& peer) {
                touch_time();
                kernel_.on_room(peer);
              },
          .on_map = {},
          .on_unmet = {},
          .on_note = [this](kernel::LogLevel level, const std::string& text) { log(level, {}, text); }};
}

std::expected<void, std::string> Engine::open(const std::string& address) {
  transport_->introduce(kernel_.hello());
  const auto listening = transport_->listen(address);
  if (!listening) return std::unexpected(listening.error());
  return {};
}

std::expected<std::uint16_t, std::string> Engine::listen_at(const protocol::TcpPlace& place) {
  return transport::listen_at(*transport_, place);
}

void Engine::on_shard_map(kernel::ShardMap map) {
  touch_time();
  transport_->set_map(map);
  kernel_.on_shard_map(std::move(map));
}

// ---- ticks ----

void Engine::touch_time() {
  if (std::exchange(is_time_fresh_, true)) return;
  turns_.begin();
  kernel_.on_time(clock_.monotonic_ns(), clock_.wall_ns());
  turns_.end();
}

void Engine::tick() {
  touch_time();
  transport_->on_time(kernel_.now_ns());
  on_storage_events();
  on_blocking_ended();
  may_run_ = lease_.is_valid();  // after the last read: what runs now was asked for before
  if (may_run_) run_turns();
  turns_.begin();
  kernel_.on_store_writing(storage_.is_writing());
  kernel_.seal();
  turns_.end();
  storage_.flush();  // first: others wait for their turn to write, too
  if (lease_.is_valid()) blocking_.flush();
  transport_->flush();
  publish_gauges();
}

void Engine::tick_transport() {
  begin_tick();
  touch_time();
  transport_->on_time(kernel_.now_ns());
  transport_->flush();
}

std::int64_t Engine::next_wake_ns() const {
  const std::int64_t next_ns = std::min(
      {wake_at_ns_, kernel_.next_timer_ns().value_or(INT64_MAX), transport_->next_timer_ns().value_or(INT64_MAX)});
  return may_run_ ? next_ns : std::max(next_ns, kernel_.now_ns() + kLookWithoutLeaseNs);
}

void Engine::run_turns() {
  bool has_more = true;
  for (int i = 0; has_more && i < kItemsPerTick; ++i) {
    turns_.begin();
    has_more = kernel_.run(1);
    turns_.end();
  }
}

void Engine::publish_gauges() {
  const kernel::KernelStats stats = kernel_.stats();
  gauges_.publish({.entities = stats.entities,
                   .calls = stats.calls_pending,
                   .resident_bytes = 0,
                   .entity_bytes = stats.memory_bytes,
                   .commits = stats.commits,
                   .rows = stats.rows,
                   .blocking = stats.blocking,
                   .refused = transport::count_refused(transport_->refusals())});
}

void Engine::on_storage_events() {
  for (StorageWork::Event& event : storage_.events()) {
    turns_.begin();
    if (auto* loaded = std::get_if<StorageWork::Loaded>(&event))
      kernel_.on_loaded(loaded->activation, std::move(loaded->result));
    else if (auto* mail = std::get_if<StorageWork::MailLoaded>(&event))
      kernel_.on_mail_loaded(mail->tenure, std::move(mail->page));
    else if (auto* answer = std::get_if<StorageWork::AnswerLoaded>(&event))
      kernel_.on_answer_loaded(answer->tenure, answer->id, std::move(answer->found));
    else if (auto* oldest = std::get_if<StorageWork::OldestAnswer>(&event))
      kernel_.on_oldest_answer(oldest->tenure, std::move(oldest->begun_at_ns));
    else if (auto* reminders = std::get_if<StorageWork::RemindersLoaded>(&event))
      kernel_.on_reminders_loaded(reminders->tenure, std::move(reminders->page));
    else if (const auto* committed = std::get_if<StorageWork::Committed>(&event))
      kernel_.on_committed(committed->number);
    else if (auto* taken = std::get_if<StorageWork::Taken>(&event))
      on_taken(std::move(*taken));
    else if (auto* fatal = std::get_if<StorageWork::Fatal>(&event))
      events_.on_fatal({fatal->code, fatal->reason});
    else if (auto* blocked = std::get_if<StorageWork::Blocked>(&event))
      on_blocked(std::move(blocked->reason));
    else if (std::holds_alternative<StorageWork::Unblocked>(event))
      on_unblocked();
    else if (const auto& then = std::get<StorageWork::Continuation>(event))
      then();
    turns_.end();
  }
}

void Engine::on_blocking_ended() {
  for (BlockingPool::Work& work : blocking_.take_ended()) {
    turns_.begin();
    kernel_.on_blocking_ended(std::move(work));
    turns_.end();
  }
}

/// Reported with each failed try; logged once.
void Engine::on_blocked(std::string reason) {
  if (gauges_.blocked().reason.empty()) {
    log(kernel::LogLevel::error, {},
        "nothing can be saved at the moment, and new work is refused until it can: " + reason);
    gauges_.publish(EngineGauges::Blocked{.reason = reason, .since_ns = kernel_.now_ns()});
  }
  kernel_.on_store_blocked(std::move(reason));
}

void Engine::on_unblocked() {
  kernel_.on_store_unblocked();
  const EngineGauges::Blocked blocked = gauges_.blocked();
  gauges_.publish(EngineGauges::Blocked{});
  log(kernel::LogLevel::info, {},
      fmt::format("saving works again after {} ms", (kernel_.now_ns() - blocked.since_ns) / 1'000'000));
}

void Engine::on_taken(StorageWork::Taken taken) {
  std::erase_if(taken.epochs,
                [&](const kernel::ShardEpoch& one) { return newest_take_[one.shard.value] != taken.job; });
  kernel_.on_taken(taken.epochs);
  if (events_.on_taken) events_.on_taken(taken.epochs);
}

// ---- syscalls ----

void Engine::send(const kernel::PeerAddress& to, kernel::Message message) { transport_->send(to, std::move(message)); }

void Engine::load(kernel::ActivationId activation, std::string_view type, std::string_view key) {
  storage_.load(activation, type, key);
}

void Engine::load_mail(const kernel::ShardEpoch& tenure, std::uint64_t after) { storage_.load_mail(tenure, after); }

void Engine::load_answer(const kernel::ShardEpoch& tenure, const kernel::AnswerId& id) {
  storage_.load_answer(tenure, id);
}

void Engine::load_oldest_answer(const kernel::ShardEpoch& tenure) { storage_.load_oldest_answer(tenure); }
void Engine::load_reminders(const kernel::ShardEpoch& tenure, const kernel::ReminderPlace& after, std::size_t limit) {
  storage_.load_reminders(tenure, after, limit);
}

void Engine::commit(kernel::Batch batch) { storage_.commit(std::move(batch)); }

void Engine::take(std::vector<kernel::ShardId> shards) {
  const std::uint64_t job =
      storage_.take(shards, kernel_.options().self.node, kernel::Incarnation{kernel_.options().self.life});
  for (const kernel::ShardId shard : shards) newest_take_[shard.value] = job;
}

void Engine::released(kernel::ShardId shard) {
  if (events_.on_released) events_.on_released(shard);
}

void Engine::start_blocking(std::shared_ptr<detail::BlockingWork> work) { blocking_.start(std::move(work)); }

void Engine::log(kernel::LogLevel level, std::string_view entity, std::string_view message) {
  events_.on_log(level, entity, message);
}

}  // namespace epic::io

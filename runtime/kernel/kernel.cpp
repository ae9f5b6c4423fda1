#include "kernel/kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kernel/assert.hpp"
#include "kernel/kernel_scope.hpp"
#include "kernel/lister.hpp"
#include "kernel/placement_groups.hpp"

namespace epic::kernel {

Kernel::Scope::Scope(Kernel& kernel)
    : previous_(std::exchange(t_current_, &kernel)), previous_calls_(Calls::exchange_current(&kernel.calls_)) {}
Kernel::Scope::~Scope() {
  t_current_ = previous_;
  Calls::exchange_current(previous_calls_);
}

// ---- wiring ----

Kernel::Kernel(KernelOptions options, const Codec& codec, Syscalls& syscalls)
    : options_(std::move(options)),
      random_state_(options_.self.life),
      codec_(codec),
      syscalls_(syscalls),
      blocking_(options_.blocking_max, parked_, syscalls),
      words_(options_.self, options_.call_timeout.count(), types_, scheduler_),
      routing_(options_.self, *this),
      activations_({.placement = options_.placement,
                    .limits = {.idle_age_ns = options_.idle_age.count(), .memory_bytes = options_.memory_budget_bytes},
                    .codec = codec,
                    .admission = admission_,
                    .scheduler = scheduler_,
                    .types = types_,
                    .words = words_,
                    .routing = routing_,
                    .events = events_,
                    .saving = saving_,
                    .calls = calls_,
                    .blocking = blocking_,
                    .timers = timers_,
                    .ends = ends_,
                    .syscalls = syscalls}),
      saving_({.self = Incarnation{options_.self.life},
               .codec = codec,
               .admission = admission_,
               .scheduler = scheduler_,
               .table = activations_.table(),
               .types = types_,
               .words = words_,
               .routing = routing_,
               .events = events_,
               .parked = parked_,
               .syscalls = syscalls},
              *this),
      calls_({.placement = options_.placement,
              .bytes_max = options_.calls_bytes_max,
              .memory_budget_bytes = options_.memory_budget_bytes,
              .timeout_ns = options_.call_timeout.count(),
              .direct_calls_max = options_.direct_calls_max},
             scheduler_, activations_.table(), saving_.observations(), admission_, types_, words_, routing_, syscalls,
             *this),
      timers_(scheduler_, activations_.table(), admission_, calls_),
      ends_(scheduler_, activations_.table(), words_, calls_, parked_, syscalls),
      cancellations_({.scheduler = scheduler_, .words = words_, .calls = calls_, .parked = parked_, .sends = sends_}),
      outbox_({.placement = options_.placement,
               .has_shared_store = options_.has_shared_store,
               .codec = codec,
               .scheduler = scheduler_,
               .types = types_,
               .words = words_,
               .routing = routing_,
               .saving = saving_}),
      reminders_({.shard_count = options_.placement.shard_count(),
                  .has_shared_store = options_.has_shared_store,
                  .codec = codec,
                  .admission = admission_,
                  .scheduler = scheduler_,
                  .routing = routing_,
                  .saving = saving_,
                  .outbox = outbox_,
                  .syscalls = syscalls}),
      inbox_({.self = options_.self,
              .codec = codec,
              .admission = admission_,
              .scheduler = scheduler_,
              .types = types_,
              .routing = routing_,
              .saving = saving_,
              .outbox = outbox_,
              .reminders = reminders_,
              .calls = calls_,
              .syscalls = syscalls}),
      answers_({.has_shared_store = options_.has_shared_store,
                .codec = codec,
                .scheduler = scheduler_,
                .types = types_,
                .words = words_,
                .routing = routing_,
                .saving = saving_,
                .calls = calls_,
                .syscalls = syscalls},
               *this),
      looks_(scheduler_, words_, calls_, ends_, routing_, options_.grace),
      frames_({.self = options_.self,
               .placement = options_.placement,
               .codec = codec,
               .admission = admission_,
               .scheduler = scheduler_,
               .types = types_,
               .words = words_,
               .routing = routing_,
               .events = events_,
               .saving = saving_,
               .calls = calls_,
               .cancellations = cancellations_,
               .activations = activations_,
               .inbox = inbox_,
               .answers = answers_,
               .sends = sends_,
               .syscalls = syscalls}),
      outside_(admission_, scheduler_, types_, calls_, [this](RecordRef call) { frames_.route(std::move(call)); }),
      views_({.placement = options_.placement,
              .clock = scheduler_,
              .words = words_,
              .routing = routing_,
              .saving = saving_,
              .calls = calls_,
              .parked = parked_,
              .syscalls = syscalls}) {
  scheduler_.shown.open(options_.running);
}

Kernel::~Kernel() {
  const Scope scope(*this);
  blocking_.forget_files();
  calls_.end_all();
  activations_.end_all();
}

/// A parked call has its turn.
void Kernel::route(RoutedCall& call) { frames_.route(RecordRef::share(static_cast<detail::CallSite&>(call).record)); }

void Kernel::on_durable() {
  routing_.on_committed();
  activations_.sweep();
  for (const ShardId shard : saving_.take_settled()) activations_.check_released(shard);
  inbox_.on_durable(saving_.durable());
  answers_.on_durable(saving_.durable());
  reminders_.on_durable(saving_.durable());
}

std::expected<void, std::string> Kernel::add_module(const ModuleInfo& module) {
  if (auto added = types_.add(module); !added) return added;
  if (auto fits = check_groups(module, options_.placement); !fits) return fits;
  return add_lister(types_);
}

// ---- events ----

void Kernel::on_time(std::int64_t monotonic_ns, std::int64_t wall_ns) {
  const Scope scope(*this);
  EPIC_ASSERT(monotonic_ns >= scheduler_.now_ns, "time went back from {} to {}", scheduler_.now_ns, monotonic_ns);
  scheduler_.now_ns = monotonic_ns;
  scheduler_.wall_ns = wall_ns;
  calls_.on_time();
  parked_.on_time();
  timers_.on_time();
  ends_.on_time();
  cancellations_.on_time();
  reminders_.on_time();
  inbox_.on_time();
  answers_.on_time();
  saving_.on_time();
  routing_.on_time(monotonic_ns);
  looks_.on_time();
  frames_.on_time();
  activations_.on_time();
}

std::optional<std::int64_t> Kernel::next_timer_ns() const {
  std::optional<std::int64_t> next;
  for (const auto due :
       {calls_.next_timer_ns(), parked_.next_timer_ns(), timers_.next_timer_ns(), ends_.next_timer_ns(),
        cancellations_.next_timer_ns(), reminders_.next_timer_ns(), inbox_.next_timer_ns(), answers_.next_timer_ns(),
        saving_.next_timer_ns(), routing_.next_timer_ns(), looks_.next_timer_ns(), frames_.next_timer_ns(),
        activations_.next_timer_ns()})
    if (due) next = std::min(next.value_or(INT64_MAX), *due);
  return next;
}

void Kernel::on_hello(const PeerAddress& from, const HelloMessage& hello) { frames_.on_hello(from, hello); }

void Kernel::on_message(const PeerAddress& from, Message message) {
  const Scope scope(*this);
  frames_.on_message(from, std::move(message));
}

void Kernel::on_peer_lost(const PeerAddress& peer, std::string_view running) {
  const Scope scope(*this);
  frames_.on_peer_lost(peer, running);
  inbox_.on_peer_lost();
}

void Kernel::on_room(const PeerAddress& peer) {
  const Scope scope(*this);
  routing_.on_room(peer);
}

void Kernel::on_loaded(ActivationId activation, LoadResult result) {
  const Scope scope(*this);
  activations_.on_loaded(activation, std::move(result));
}

void Kernel::on_mail_loaded(const ShardEpoch& tenure, std::expected<MailPage, std::string> page) {
  const Scope scope(*this);
  inbox_.on_loaded(tenure, std::move(page));
}

void Kernel::on_reminders_loaded(const ShardEpoch& tenure, std::expected<ReminderPage, std::string> page) {
  const Scope scope(*this);
  reminders_.on_loaded(tenure, std::move(page));
}

void Kernel::on_committed(CommitNumber number) {
  const Scope scope(*this);
  saving_.on_committed(number);
}

/// What nobody waits for any longer is destroyed here, with all that it has captured.
void Kernel::on_blocking_ended(std::shared_ptr<detail::BlockingWork> work) {
  const Scope scope(*this);
  blocking_.on_ended(*work);
  work.reset();
  check_written();
}

/// A shard that waits for its files' changes may leave.
void Kernel::check_written() {
  for (const ShardId shard : blocking_.take_written()) activations_.check_released(shard);
}

void Kernel::on_answer_loaded(const ShardEpoch& tenure, const AnswerId& id, AnswerLoad load) {
  const Scope scope(*this);
  answers_.on_loaded(tenure, id, std::move(load));
}

void Kernel::on_oldest_answer(const ShardEpoch& tenure,
                              std::expected<std::optional<std::int64_t>, std::string> begun_at_ns) {
  const Scope scope(*this);
  answers_.on_oldest(tenure, std::move(begun_at_ns));
}

void Kernel::on_taken(std::span<const ShardEpoch> epochs) {
  const Scope scope(*this);
  for (const ShardEpoch& taken : epochs) {
    routing_.on_taken(taken.shard, taken.epoch);
    if (routing_.epoch_of(taken.shard) != taken.epoch) continue;
    inbox_.on_shard(taken.shard);
    reminders_.on_shard(taken.shard);
  }
}

void Kernel::on_shard_map(ShardMap map) {
  const Scope scope(*this);
  if (map.version <= routing_.version()) return;
  EPIC_ASSERT(map.owners.size() == options_.placement.shard_count(), "a map of {} shards, where {} are",
              map.owners.size(), options_.placement.shard_count());
  Routing::Changes changes = routing_.on_map(std::move(map));
  for (const ShardId shard : changes.lost) activations_.on_lost(shard);
  inbox_.on_map();
  answers_.on_map();
  reminders_.on_map();
  if (!changes.given.empty()) {
    frames_.park_held();
    syscalls_.take(std::move(changes.given));
  }
  routing_.retry_all();
}

void Kernel::on_release(std::span<const ShardId> shards, std::chrono::nanoseconds announced_ago) {
  const Scope scope(*this);
  const std::int64_t now_ns = scheduler_.now_ns;
  for (const ShardId shard : shards)
    routing_.on_asked_back(shard, now_ns, now_ns - announced_ago.count(), options_.grace.count());
  resume_stopping();
}

void Kernel::on_stop_announced() {
  const Scope scope(*this);
  admission_.is_stop_announced = true;
  resume_stopping();
}

void Kernel::on_drain() {
  const Scope scope(*this);
  admission_.is_draining = true;
  activations_.drain();
  resume_stopping();
}

bool Kernel::is_stopping(const Record* execution) const {
  const Activation* activation = activation_of(execution);
  return activation == nullptr ? admission_.is_draining : activations_.is_stopping(*activation);
}

/// Frames that wait for epic::stopping().
void Kernel::resume_stopping() {
  parked_.resume_if(detail::WaitsFor::stopping, [this](const Record* execution) { return is_stopping(execution); });
}

/// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
std::uint64_t Kernel::random() {
  std::uint64_t mixed = random_state_ += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

bool Kernel::is_drained() const {
  return admission_.is_draining && activations_.to_stop_count() == 0 && calls_.size() == 0 && saving_.is_done() &&
         !blocking_.has_unwritten() && sends_.is_empty();
}

void Kernel::abort_running(const std::string& reason) {
  const Scope scope(*this);
  ends_.abort_all(reason);
}

// ---- driving ----

bool Kernel::run(std::size_t items) {
  const Scope scope(*this);
  return calls_.run(items);
}

void Kernel::seal() {
  const Scope scope(*this);
  activations_.sweep_new();
  saving_.seal();
  blocking_.begin_released();
  check_written();
  sends_.flush();
}

// ---- from outside ----

void Kernel::submit(RecordRef call, std::chrono::nanoseconds timeout, OutsideCalls::OnEnd on_end) {
  const Scope scope(*this);
  outside_.submit(std::move(call), timeout, std::move(on_end));
}

void Kernel::submit_task(Task<void> task, std::string label, OutsideCalls::OnEnd on_end) {
  const Scope scope(*this);
  outside_.submit_task(std::move(task), std::move(label), std::move(on_end));
}

void Kernel::replace(NewState state, OnReplaced on_end) {
  const Scope scope(*this);
  activations_.replace(std::move(state), std::move(on_end));
  resume_stopping();
}

void Kernel::settle_mail(const std::vector<Mail>& dead, Inbox::Settle how, std::function<void(std::size_t)> on_end) {
  const Scope scope(*this);
  inbox_.settle(dead, how, std::move(on_end));
}

void Kernel::enter(const std::function<void()>& work) {
  const Scope scope(*this);
  work();
}

// ---- inspection ----

KernelStats Kernel::stats() const {
  return {.entities = activations_.table().size(),
          .entities_to_stop = activations_.to_stop_count(),
          .memory_bytes = activations_.memory_bytes(),
          .calls_pending = calls_.size(),
          .messages_held = saving_.held_count(),
          .blocking = blocking_.count(),
          .calls_started = calls_.started_count(),
          .batches = saving_.counts().batches,
          .commits = saving_.counts().commits,
          .rows = saving_.counts().rows};
}

HelloMessage Kernel::hello() const {
  return {.from = options_.self,
          .fabric = options_.fabric,
          .shard_count = options_.placement.shard_count(),
          .methods = types_.hello_methods(),
          .takes_broadcasts = true,
          .groups = options_.placement.groups(),
          .places_groups = true};
}

std::string Kernel::describe_current() const {
  return scheduler_.current == nullptr ? "it" : words_.describe(*scheduler_.current);
}

Kernel::Running Kernel::running() const {
  if (scheduler_.step.entity != nullptr) return {scheduler_.step.entity->text, scheduler_.step.name};
  const Record* const record = scheduler_.current;
  if (record == nullptr || !record->callee) return {};
  if (record->method != nullptr) return {record->callee->text, record->method->name};
  return {record->callee->text, record->site == nullptr ? std::string_view() : std::string_view(record->site->label)};
}

void Kernel::log(LogLevel level, std::string_view message) {
  const std::string_view entity = running().entity;
  syscalls_.log(level, entity.empty() ? std::string() : types_.shown(entity), message);
}

void Kernel::note_dropped(const Record& call) {
  if (!dropped_.insert(call.method).second) return;
  log(LogLevel::warn, fmt::format("{} was made by {} and never awaited, so it has not happened (each such method is "
                                  "logged once): co_await it, or give it to epic::gather or epic::spawn",
                                  words_.describe(call), describe_current()));
}

}  // namespace epic::kernel

#pragma once
// The kernel's parts, wired for tests without a Kernel: the test answers what they ask of the world.

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/activations/activations.hpp"
#include "kernel/calls/cancellations.hpp"
#include "kernel/calls/shard_looks.hpp"
#include "unit/kernel/test_entities.hpp"

namespace epic::testing_entities {

using namespace epic::kernel;

/// What is sent, loads, commits and released shards are kept for the test, which answers.
struct World final : Syscalls {
  void send(const PeerAddress& to, Message message) override { sent.emplace_back(to, std::move(message)); }
  [[nodiscard]] bool has_room(const PeerAddress&) const override { return true; }
  void load(ActivationId activation, std::string_view, std::string_view) override { loads.push_back(activation); }
  void load_mail(const ShardEpoch&, std::uint64_t) override {}
  void load_answer(const ShardEpoch&, const AnswerId&) override {}
  void load_oldest_answer(const ShardEpoch&) override {}
  void load_reminders(const ShardEpoch&, const ReminderPlace&, std::size_t) override {}
  void commit(Batch batch) override { batches.push_back(std::move(batch)); }
  void take(std::vector<ShardId>) override {}
  void released(ShardId shard) override { freed.push_back(shard); }
  void start_blocking(std::shared_ptr<epic::detail::BlockingWork>) override {}
  void log(LogLevel, std::string_view, std::string_view) override {}
  std::vector<std::pair<PeerAddress, Message>> sent;
  std::vector<ActivationId> loads;
  std::vector<Batch> batches;
  std::vector<ShardId> freed;
};

/// The parts of a kernel without frames: there is one shard, which is this node's.
struct KernelParts : CallsListener, Saving::Listener, Routing::Listener {
  static constexpr PeerAddress kSelf{NodeId{1}, 11};
  const Placement placement = ungrouped(1);
  codec::CapnpCodec codec;
  Admission admission;
  Scheduler scheduler;
  TypeTable types;
  CallWords words{kSelf, 1'000'000'000, types, scheduler};
  Routing routing{kSelf, *this};
  Events events{scheduler, types};
  World world;
  Activations activations;
  ParkedFrames parked{scheduler};
  Blocking blocking{16, parked, world};
  Saving saving;
  Calls calls;
  EntityTimers timers{scheduler, activations.table(), admission, calls};
  EarlyEnds ends{scheduler, activations.table(), words, calls, parked, world};
  PeerSends sends{world};
  Cancellations cancellations{
      {.scheduler = scheduler, .words = words, .calls = calls, .parked = parked, .sends = sends}};
  ShardLooks looks{scheduler, words, calls, ends, routing, limits::kGrace};
  Calls* calls_before = nullptr;
  bool holds_loads = false;

  explicit KernelParts(Collector::Limits limits = {.idle_age_ns = 3'600'000'000'000})
      : activations({.placement = placement,
                     .limits = limits,
                     .codec = codec,
                     .admission = admission,
                     .scheduler = scheduler,
                     .types = types,
                     .words = words,
                     .routing = routing,
                     .events = events,
                     .saving = saving,
                     .calls = calls,
                     .blocking = blocking,
                     .timers = timers,
                     .ends = ends,
                     .syscalls = world}),
        saving({.self = Incarnation{11},
                .codec = codec,
                .admission = admission,
                .scheduler = scheduler,
                .table = activations.table(),
                .types = types,
                .words = words,
                .routing = routing,
                .events = events,
                .parked = parked,
                .syscalls = world},
               *this),
        calls({.placement = placement, .bytes_max = 1u << 30, .timeout_ns = 1'000'000'000, .direct_calls_max = 8},
              scheduler, activations.table(), saving.observations(), admission, types, words, routing, world, *this) {
    REQUIRE(types.add(testing_entities::module()));
    scheduler.now_ns = 1'000'000;
    static_cast<void>(routing.on_map({.version = MapVersion{1},
                                      .owners = {kSelf.node},
                                      .members = {{kSelf.node, Incarnation{kSelf.life}, ""}},
                                      .moving = {},
                                      .owned_since = {}}));
    routing.on_taken(ShardId{0}, Epoch{1});
    calls_before = Calls::exchange_current(&calls);
  }
  virtual ~KernelParts() {
    calls.end_all();
    activations.end_all();
    Calls::exchange_current(calls_before);
  }

  void leave(RecordRef call, const TypeEntry& type, const Record*) override {
    if (routing.is_active(ShardId{0})) activations.activate(std::move(call), type, ShardId{0});
  }
  void reply(Record& call) override { call.site->on_end(call); }
  void mark_dirty(Activation& activation) override { saving.mark_dirty(activation); }
  void note_erased(Activation& activation) override { saving.note_erased(activation); }
  void check_stop(Activation& activation) override { activations.check_stop(activation); }
  void on_lone_task(Activation& activation) override { activations.on_lone_task(activation); }
  void on_mail_begin(Record&) override {}
  void on_mail_end(Record&) override {}
  void on_answer_begin(Record&) override {}
  void on_answer_end(Record&) override {}
  void on_deadlock(const DeadlockMessage&) override {}
  void release(Outgoing) override {}
  void release_with_error(Outgoing, ErrorCode, const std::string&) override {}
  void discard(Activation& activation, ErrorCode code, const std::string& why, Reported reported) override {
    activations.discard(activation, code, why, reported);
  }
  void fail_observers(CommitNumber number, std::span<const ActivationId> own, ErrorCode code, const std::string& why,
                      const std::function<bool(const Record&)>& knows) override {
    calls.fail_observers(number, own, code, why, knows);
  }
  void measure(Activation& activation) override { activations.measure(activation); }
  void on_mail_sealed(CommitNumber, std::vector<Mail>) override {}
  void on_mail_refused(const MailId&, const std::string&) override {}
  void on_mail_undone(const std::vector<MailId>&) override {}
  void on_answer_undone(const AnswerId&, UndoneAnswer) override {}
  void on_reminders_sealed(CommitNumber, const std::vector<Operation>&) override {}
  bool may_have_reminders(const Activation&) override { return false; }
  void on_durable() override { activations.sweep(); }
  void route(RoutedCall&) override {}
  void on_closed(ShardId shard) override { activations.on_closed(shard); }
  void on_reopened(ShardId shard) override { activations.on_reopened(shard); }
  void look_for_waits(ShardId shard) override { looks.look_for_waits(shard); }
  void end_running(ShardId shard, const Overdue& overdue) override { looks.end_running(shard, overdue); }

  template <class R>
  auto begin(Call<R>&& call) {
    auto record = std::move(call).epic_take_record();
    REQUIRE(calls.open(*record));
    calls.route(RecordRef::share(*record));
    return record;
  }
  void run() {
    while (calls.run(16)) {
    }
  }
  /// Until nothing more happens but by time.
  void settle() {
    if (!holds_loads)
      for (const ActivationId id : std::exchange(world.loads, {})) activations.on_loaded(id, LoadedState{});
    run();
    activations.sweep_new();
    saving.seal();
    for (const Batch& batch : std::exchange(world.batches, {})) saving.on_committed(batch.number);
  }
  /// A call of Caller/b that runs until the test ends it: it waits for an entity that is never loaded.
  auto keep_busy() {
    auto call = begin(Ref<Caller>("b")->add_to(Ref<Counter>("never"), 1));
    settle();
    holds_loads = true;
    return call;
  }
  [[nodiscard]] Activation* find(std::string_view name) { return activations.table().find(name); }
};

}  // namespace epic::testing_entities

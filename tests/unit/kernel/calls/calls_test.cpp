#include "kernel/calls/calls.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

#include "kernel/calls/parked_frames.hpp"
#include "kernel/limits.hpp"
#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Account;
using testing_entities::Counter;

namespace {

struct Silence final : Syscalls {
  void send(const PeerAddress&, Message) override {}
  [[nodiscard]] bool has_room(const PeerAddress&) const override { return true; }
  void load(ActivationId, std::string_view, std::string_view) override {}
  void load_mail(const ShardEpoch&, std::uint64_t) override {}
  void load_answer(const ShardEpoch&, const AnswerId&) override {}
  void load_oldest_answer(const ShardEpoch&) override {}
  void load_reminders(const ShardEpoch&, const ReminderPlace&, std::size_t) override {}
  void commit(Batch) override {}
  void take(std::vector<ShardId>) override {}
  void released(ShardId) override {}
  void start_blocking(std::shared_ptr<epic::detail::BlockingWork>) override {}
  void log(LogLevel, std::string_view, std::string_view) override {}
};

/// Calls with nothing around them: entities are put into memory by the test, what leaves is counted.
struct CallsFixture final : CallsListener, Routing::Listener {
  Scheduler scheduler;
  TypeTable types;
  ActivationTable activations{1, 8};
  Admission admission;
  Batcher batcher;
  Observations observations{batcher};
  CallWords words{{NodeId{1}, 11}, 1000, types, scheduler};
  Routing routing{{NodeId{1}, 11}, *this};
  Silence syscalls;
  const Placement placement = ungrouped(8);
  Calls calls{{.placement = placement, .bytes_max = 1u << 30, .timeout_ns = 1000, .direct_calls_max = 8},
              scheduler,
              activations,
              observations,
              admission,
              types,
              words,
              routing,
              syscalls,
              *this};
  std::vector<RecordRef> left;
  std::vector<Activation*> dirty;

  CallsFixture() {
    static const EntityInfoFn entities[] = {&Counter::epic_info, &Account::epic_info};
    static const ModuleInfo module{EPIC_ABI_TAG, entities, &no_setup};
    REQUIRE(types.add(module));
  }
  ~CallsFixture() {
    calls.end_all();
    for (std::size_t slot = 0; slot < activations.slot_count(); ++slot)
      if (Activation* activation = activations.at(slot)) activation->type->info->destroy(activation->entity);
  }

  void leave(RecordRef call, const TypeEntry&, const Record*) override { left.push_back(std::move(call)); }
  void reply(Record& call) override { call.site->on_end(call); }
  void mark_dirty(Activation& activation) override {
    activation.is_dirty = true;
    dirty.push_back(&activation);
  }
  void note_erased(Activation&) override {}
  void check_stop(Activation&) override {}
  void on_lone_task(Activation&) override {}
  void on_mail_begin(Record&) override {}
  void on_mail_end(Record&) override {}
  void on_answer_begin(Record&) override {}
  void on_answer_end(Record&) override {}
  void on_deadlock(const DeadlockMessage&) override {}
  void route(RoutedCall&) override {}
  void on_closed(ShardId) override {}
  void on_reopened(ShardId) override {}
  void look_for_waits(ShardId) override {}
  void end_running(ShardId, const Overdue&) override {}

  template <class T>
  Activation& put(const Ref<T>& ref) {
    Activation& activation = activations.add(epic::detail::parse_name(ref.name()), ShardId{0});
    activation.type = types.find(ref.name().substr(0, ref.name().find('/')));
    activation.entity = activation.type->info->create();
    activation.state = Activation::State::active;
    return activation;
  }
  template <class R>
  auto begin(Call<R>&& call) {
    auto record = std::move(call).epic_take_record();
    record->caller = nullptr;
    REQUIRE(calls.open(*record));
    calls.route(RecordRef::share(*record));
    return record;
  }
  void run() {
    Calls* const before = Calls::exchange_current(&calls);
    while (calls.run(16)) {
    }
    Calls::exchange_current(before);
  }
};

}  // namespace

TEST_CASE("calls: one to an entity in memory runs, marks it dirty, and is closed", "[kernel]") {
  CallsFixture f;
  Activation& activation = f.put(Ref<Counter>("a"));
  const auto record = f.begin(Ref<Counter>("a")->add(5));
  CHECK(f.calls.size() == 1);
  f.run();
  CHECK(record->take() == 5);
  CHECK(f.calls.size() == 0);
  CHECK(activation.running == 0);
  CHECK(f.dirty == std::vector{&activation});
}

TEST_CASE("calls: one to an entity that is not in memory leaves", "[kernel]") {
  CallsFixture f;
  f.begin(Ref<Counter>("a")->add(5));
  REQUIRE(f.left.size() == 1);
  CHECK(f.calls.size() == 1);
}

TEST_CASE("calls: one that waits for an entity to become active starts when it enters again", "[kernel]") {
  CallsFixture f;
  Activation& activation = f.put(Ref<Counter>("a"));
  activation.state = Activation::State::loading;
  const auto record = f.begin(Ref<Counter>("a")->add(5));
  f.run();
  CHECK(record->state == Record::State::loading);
  activation.state = Activation::State::active;
  for (RecordRef& waiting : std::exchange(activation.get_rare().waiting, {}))
    f.calls.enter(std::move(waiting), activation);
  f.run();
  CHECK(record->take() == 5);
}

TEST_CASE("calls: one that is not answered in time ends with Timeout, and its method runs on", "[kernel]") {
  CallsFixture f;
  f.put(Ref<Counter>("a"));
  const auto record = f.begin(Ref<Counter>("a")->get());
  f.scheduler.now_ns = 1000;
  f.calls.on_time();
  CHECK_THROWS_AS(record->take(), Timeout);
}

TEST_CASE("calls: a call to an unknown class fails", "[kernel]") {
  CallsFixture f;
  auto record = Ref<Counter>("a")->get().epic_take_record();
  record->callee = epic::detail::parse_name("Nobody/a");
  REQUIRE(f.calls.open(*record));
  f.calls.route(RecordRef::share(*record));
  CHECK_THROWS_AS(record->take(), NoSuchType);
}

TEST_CASE("calls: of many whose time is up at once, each tick ends a bounded number", "[kernel]") {
  CallsFixture f;
  Activation& activation = f.put(Ref<Account>("a"));
  f.begin(Ref<Account>("a").with(std::chrono::hours(1))->deposit(1));
  std::vector<decltype(f.begin(Ref<Account>("a")->deposit(1)))> waiting;
  for (std::size_t i = 0; i < 3 * limits::kEndedPerTick; ++i) waiting.push_back(f.begin(Ref<Account>("a")->deposit(1)));
  const auto ended = [&] { return std::ranges::count_if(waiting, [](const auto& one) { return bool(one->failure); }); };
  f.scheduler.now_ns = 1000;
  for (std::size_t tick = 1; tick <= 3; ++tick) {
    CHECK(f.calls.next_timer_ns() == 1000);
    f.calls.on_time();
    CHECK(static_cast<std::size_t>(ended()) == tick * limits::kEndedPerTick);
  }
  CHECK(activation.lock.waiting_count() == 0);
  CHECK_THROWS_AS(waiting.back()->take(), Timeout);
}

#include "kernel/calls/deadlock_probes.hpp"

#include <catch2/catch.hpp>

#include <memory>

#include "kernel/limits.hpp"
#include "kernel/type_table.hpp"
#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;
using testing_entities::Counter;

namespace {

/// Sends go into a list; nothing else is asked of the world.
struct Messages final : Syscalls {
  std::vector<std::pair<PeerAddress, Message>> sent;
  void send(const PeerAddress& to, Message message) override { sent.emplace_back(to, std::move(message)); }
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

/// Two entities with locks, and calls put into the states that a test needs.
struct DeadlockProbesFixture : DeadlockProbes::Listener {
  Scheduler scheduler;
  TypeTable types;
  CallTable table;
  Messages messages;
  CallWords words{{NodeId{1}, 11}, 1'000'000'000, types, scheduler};
  ActivationTable activations{1, 1};
  DeadlockProbes probes{table, activations, words, scheduler, messages, *this};
  std::unique_ptr<Activation> left = std::make_unique<Activation>();
  std::unique_ptr<Activation> right = std::make_unique<Activation>();
  std::vector<RecordRef> records;
  std::vector<Record*> victims;

  DeadlockProbesFixture() { scheduler.wall_ns = 1'800'000'000'000'000'000; }
  ~DeadlockProbesFixture() {
    for (const RecordRef& record : records) {
      table.remove(*record);
      record->release();
    }
  }
  void on_ring(Record& victim, const DeadlockMessage&, const std::string&) override { victims.push_back(&victim); }

  Record& make(Activation& at, Record* caller) {
    RecordRef record(Ref<Counter>("x")->add(1).epic_take_record().detach());
    record->sequence = records.size() + 1;
    record->caller = caller;
    record->activation = &at;
    record->deadline_ns = INT64_MAX;
    table.add(*record);
    records.push_back(record);
    return *record;
  }
  Record& hold(Activation& at) {
    Record& record = make(at, nullptr);
    record.state = Record::State::running;
    REQUIRE(at.lock.try_take(record, EntityLock::Mode::exclusive));
    return record;
  }
  Record& wait(Activation& at, Record* caller, std::int64_t since_ns) {
    Record& record = make(at, caller);
    record.state = Record::State::locked_out;
    const bool is_first = at.lock.first_waiting() == nullptr;
    record.deadline_ns = since_ns;
    at.lock.wait(RecordRef::share(record), EntityLock::Mode::exclusive);
    if (is_first) probes.suspect(RecordRef::share(record));
    return record;
  }
  void look() {
    scheduler.now_ns += limits::kDeadlockSuspicion.count();
    probes.on_time();
  }
};

}  // namespace

TEST_CASE("deadlock probes: of two calls that wait for each other's lock, the one that came last fails", "[kernel]") {
  DeadlockProbesFixture f;
  Record& holds_left = f.hold(*f.left);
  Record& holds_right = f.hold(*f.right);
  f.wait(*f.right, &holds_left, 1);
  Record& last = f.wait(*f.left, &holds_right, 2);
  f.look();
  REQUIRE_FALSE(f.victims.empty());
  for (const Record* victim : f.victims) CHECK(victim == &last);
}

TEST_CASE("deadlock probes: a ring is found also through calls that are not the first to wait", "[kernel]") {
  DeadlockProbesFixture f;
  Record& holds_left = f.hold(*f.left);
  Record& holds_right = f.hold(*f.right);
  f.wait(*f.left, nullptr, 1);
  f.wait(*f.right, nullptr, 1);
  f.wait(*f.right, &holds_left, 2);
  Record& last = f.wait(*f.left, &holds_right, 3);
  f.look();
  REQUIRE_FALSE(f.victims.empty());
  for (const Record* victim : f.victims) CHECK(victim == &last);
}

TEST_CASE("deadlock probes: among many calls a ring is found by and by, and no tick looks at all of them", "[kernel]") {
  DeadlockProbesFixture f;
  for (std::size_t i = 0; i < 10 * limits::kLookSlice; ++i) f.make(*f.left, nullptr).state = Record::State::running;
  Record& holds_left = f.hold(*f.left);
  Record& holds_right = f.hold(*f.right);
  f.wait(*f.right, &holds_left, 1);
  Record& last = f.wait(*f.left, &holds_right, 2);
  f.look();
  for (int ticks = 0; ticks < 9; ++ticks) {
    CHECK(f.victims.empty());
    REQUIRE(f.probes.next_timer_ns() == f.scheduler.now_ns + limits::kLookPause.count());
    f.scheduler.now_ns += limits::kLookPause.count();
    f.probes.on_time();
  }
  f.scheduler.now_ns += limits::kLookPause.count();
  f.probes.on_time();
  REQUIRE_FALSE(f.victims.empty());
  for (const Record* victim : f.victims) CHECK(victim == &last);
}

TEST_CASE("deadlock probes: a queue before a slow call is no ring", "[kernel]") {
  DeadlockProbesFixture f;
  f.hold(*f.left);
  for (int i = 1; i < 10; ++i) f.wait(*f.left, nullptr, i);
  f.look();
  CHECK(f.victims.empty());
  CHECK(f.messages.sent.empty());
  CHECK(f.probes.next_timer_ns() == f.scheduler.now_ns + limits::kDeadlockSuspicion.count());
}

TEST_CASE("deadlock probes: where a call was sent to another node, a probe goes there with the path", "[kernel]") {
  DeadlockProbesFixture f;
  Record& holder = f.hold(*f.left);
  Record& waits = f.wait(*f.left, nullptr, 1);
  Record& sent = f.make(*f.right, &holder);
  sent.state = Record::State::sent;
  sent.site = new epic::detail::CallSite(sent);
  sent.site->sent_to = {NodeId{2}, 22};
  f.look();
  REQUIRE(f.messages.sent.size() == 1);
  CHECK(f.messages.sent[0].first == PeerAddress{NodeId{2}, 22});
  const auto& probe = std::get<ProbeMessage>(f.messages.sent[0].second);
  CHECK(probe.target == f.words.id_of(sent));
  REQUIRE(probe.path.size() == 2);
  CHECK(probe.path[0].id == f.words.id_of(waits));
  CHECK(probe.path[1].id == f.words.id_of(holder));
}

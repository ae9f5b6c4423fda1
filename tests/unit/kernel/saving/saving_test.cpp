#include "kernel/saving/saving.hpp"

#include <catch2/catch.hpp>
#include <deque>

#include "codec/capnp_codec.hpp"
#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::kernel;

namespace {

/// A store that is asked and never answers: the test confirms commits.
struct Disk final : Syscalls {
  void send(const PeerAddress&, Message) override {}
  [[nodiscard]] bool has_room(const PeerAddress&) const override { return true; }
  void load(ActivationId, std::string_view, std::string_view) override {}
  void load_mail(const ShardEpoch&, std::uint64_t) override {}
  void load_answer(const ShardEpoch&, const AnswerId&) override {}
  void load_oldest_answer(const ShardEpoch&) override {}
  void load_reminders(const ShardEpoch&, const ReminderPlace&, std::size_t) override {}
  void commit(Batch batch) override { batches.push_back(std::move(batch)); }
  void take(std::vector<ShardId>) override {}
  void released(ShardId) override {}
  void start_blocking(std::shared_ptr<epic::detail::BlockingWork>) override {}
  void log(LogLevel, std::string_view, std::string_view) override {}
  std::vector<Batch> batches;
};

/// Saving with nothing around it: entities are put into memory and changed by the test.
struct SavingFixture final : Saving::Listener, Routing::Listener {
  codec::CapnpCodec codec;
  Admission admission;
  Scheduler scheduler;
  TypeTable types;
  ActivationTable table{1, 8};
  CallWords words{{NodeId{1}, 11}, 1000, types, scheduler};
  Routing routing{{NodeId{1}, 11}, *this};
  Events events{scheduler, types};
  ParkedFrames parked{scheduler};
  Disk disk;
  Saving saving{{.self = Incarnation{11},
                 .codec = codec,
                 .admission = admission,
                 .scheduler = scheduler,
                 .table = table,
                 .types = types,
                 .words = words,
                 .routing = routing,
                 .events = events,
                 .parked = parked,
                 .syscalls = disk},
                *this};
  std::vector<const Record*> released;
  std::vector<decltype(ReplyMessage::outcome)> outcomes;  // of `released`
  std::vector<std::pair<const Record*, ErrorCode>> refused;
  std::vector<Activation*> discarded;
  bool has_reminders = false;
  std::size_t reminded = 0;  // changes of reminders that were sealed

  SavingFixture() { REQUIRE(types.add(testing_entities::module())); }
  ~SavingFixture() {
    for (std::size_t slot = 0; slot < table.slot_count(); ++slot)
      if (Activation* activation = table.at(slot)) activation->type->info->destroy(activation->entity);
  }

  void release(Outgoing item) override {
    released.push_back(item.record.get());
    outcomes.push_back(std::move(item.reply.outcome));
  }
  void release_with_error(Outgoing item, ErrorCode code, const std::string&) override {
    refused.emplace_back(item.record.get(), code);
  }
  void discard(Activation& activation, ErrorCode, const std::string&, Reported) override {
    discarded.push_back(&activation);
  }
  void fail_observers(CommitNumber, std::span<const ActivationId>, ErrorCode, const std::string&,
                      const std::function<bool(const Record&)>&) override {}
  void measure(Activation&) override {}
  void on_mail_sealed(CommitNumber, std::vector<Mail>) override {}
  void on_mail_refused(const MailId&, const std::string&) override {}
  void on_mail_undone(const std::vector<MailId>&) override {}
  void on_answer_undone(const AnswerId&, UndoneAnswer) override {}
  void on_reminders_sealed(CommitNumber, const std::vector<Operation>& changes) override { reminded += changes.size(); }
  bool may_have_reminders(const Activation&) override { return has_reminders; }
  void on_durable() override {}
  void route(RoutedCall&) override {}
  void on_closed(ShardId) override {}
  void on_reopened(ShardId) override {}
  void look_for_waits(ShardId) override {}
  void end_running(ShardId, const Overdue&) override {}

  Activation& put(const std::string& name) {
    Activation& activation = table.add(epic::detail::parse_name(name), ShardId{0});
    activation.type = types.find(name.substr(0, name.find('/')));
    activation.entity = activation.type->info->create();
    activation.state = Activation::State::active;
    return activation;
  }
  /// Replaces the state of a Counter or a Blob, as a turn would.
  template <class State>
  void change(Activation& activation, const State& state) {
    auto* const field =
        activation.type->info->state.fields.front().get(activation.type->info->object(activation.entity));
    *static_cast<State*>(field) = state;
    if (!activation.is_dirty) saving.mark_dirty(activation);
  }
  /// The first turn of the call that a reminder makes.
  void begin_occurrence(Activation& activation) {
    const ReminderName name{.type = "Counter", .key = "a", .name = "tick"};
    saving.add(activation, AdvanceReminder{.name = name, .shard = ShardId{0}, .due_ns = 5, .next_ns = 15});
    saving.add(activation, PutMail{{.id = kOccurrence,
                                    .to_shard = ShardId{0},
                                    .from = "Counter/a",
                                    .to = "Counter/a",
                                    .method = "add",
                                    .schema = SchemaId{7},
                                    .arguments = {}}});
    saving.add(activation, MarkMail{.id = kOccurrence, .to_shard = ShardId{0}, .status = MailStatus::begun});
  }
  /// It ends before its batch is sealed.
  void end_occurrence(Activation& activation) {
    Operation end = EndMail{.id = kOccurrence, .to_shard = ShardId{0}};
    REQUIRE(Saving::replace(activation, kOccurrence, end));
  }
  static Operation forget_tick() { return ForgetReminder{{.type = "Counter", .key = "a", .name = "tick"}, ShardId{0}}; }
  static constexpr MailId kOccurrence{.shard = ShardId{0}, .epoch = Epoch{1}, .number = 9};
  /// A call of `activation` whose result is to leave the node.
  RecordRef answer_from(Activation& activation, std::int64_t given_up_ns = INT64_MAX) {
    const RecordRef record = call_of(activation);
    saving.hold(*record, {.kind = Outgoing::Kind::reply, .record = record, .given_up_ns = given_up_ns});
    return record;
  }
  /// That runs there.
  RecordRef call_of(Activation& activation) {
    RecordRef record(activation.type->info->methods.front()->make_record());
    record->callee = activation.name;
    record->activation = &activation;
    return record;
  }
};

}  // namespace

TEST_CASE("saving: what has seen a change is released when its commit is durable", "[kernel]") {
  SavingFixture f;
  Activation& counter = f.put("Counter/a");
  f.change(counter, std::int64_t{5});
  const RecordRef answer = f.answer_from(counter);
  f.saving.seal();
  REQUIRE(f.disk.batches.size() == 1);
  CHECK(f.released.empty());
  CHECK(f.saving.is_unsaved(counter));

  f.saving.on_committed(f.disk.batches.front().number);
  CHECK(f.released == std::vector<const Record*>{answer.get()});
  CHECK_FALSE(f.saving.is_unsaved(counter));
  CHECK(f.saving.is_done());
}

TEST_CASE("saving: what has seen nothing new is released at once", "[kernel]") {
  SavingFixture f;
  f.change(f.put("Counter/a"), std::int64_t{5});
  Activation& other = f.put("Counter/b");
  const RecordRef answer = f.answer_from(other);
  CHECK(f.released == std::vector<const Record*>{answer.get()});
}

TEST_CASE("saving: bytes that did not change need no commit", "[kernel]") {
  SavingFixture f;
  Activation& counter = f.put("Counter/a");
  f.change(counter, std::int64_t{5});
  f.saving.seal();
  f.saving.on_committed(f.disk.batches.front().number);

  f.change(counter, std::int64_t{5});
  f.answer_from(counter);
  CHECK(f.released.empty());
  f.saving.seal();
  CHECK(f.released.size() == 1);
  CHECK(f.disk.batches.size() == 1);
}

TEST_CASE("saving: an entity that changed often is in a batch once", "[kernel]") {
  SavingFixture f;
  Activation& counter = f.put("Counter/a");
  for (std::int64_t i = 1; i < 10; ++i) f.change(counter, i);
  f.saving.seal();
  REQUIRE(f.disk.batches.size() == 1);
  CHECK(f.disk.batches.front().operations.size() == 1);
  CHECK(f.saving.counts().rows == 1);
}

TEST_CASE("saving: while the store writes, the next batch keeps forming", "[kernel]") {
  SavingFixture f;
  f.change(f.put("Counter/a"), std::int64_t{1});
  f.saving.seal();
  f.saving.on_store_writing(true);
  f.change(f.put("Counter/b"), std::int64_t{2});
  f.saving.seal();
  CHECK(f.disk.batches.size() == 1);
  f.saving.on_committed(f.disk.batches.front().number);
  f.saving.seal();
  CHECK(f.disk.batches.size() == 2);
}

TEST_CASE("saving: a state above the limit is refused with what depends on it, and nothing else", "[kernel]") {
  SavingFixture f;
  Activation& blob = f.put("Blob/a");
  Activation& counter = f.put("Counter/a");
  f.change(blob, std::string(limits::kStateBytesMax + 1, 'x'));
  f.change(counter, std::int64_t{5});
  const RecordRef of_blob = f.answer_from(blob);
  const RecordRef of_counter = f.answer_from(counter);
  f.saving.seal();
  CHECK(f.refused == std::vector{std::pair<const Record*, ErrorCode>(of_blob.get(), ErrorCode::state_too_large)});
  CHECK(f.discarded == std::vector{&blob});
  f.saving.on_committed(f.disk.batches.front().number);
  CHECK(f.released == std::vector<const Record*>{of_counter.get()});
}

TEST_CASE("saving: a change that is discarded before its batch is closed fails what depends on it", "[kernel]") {
  SavingFixture f;
  Activation& counter = f.put("Counter/a");
  Activation& observer = f.put("Counter/b");
  Activation& other = f.put("Counter/c");
  f.change(counter, std::int64_t{5});
  const RecordRef answer = f.answer_from(counter);
  observer.observed = f.saving.observations().effective(counter);
  const RecordRef has_seen_it = f.answer_from(observer);
  f.change(other, std::int64_t{6});
  const RecordRef of_other = f.answer_from(other);
  f.saving.discard_change(counter, ErrorCode::node_lost, "its shard was given to another node");
  CHECK_FALSE(counter.is_dirty);
  f.saving.seal();
  f.saving.on_committed(f.disk.batches.front().number);
  CHECK(f.released == std::vector<const Record*>{of_other.get()});
  CHECK(f.refused == std::vector{std::pair<const Record*, ErrorCode>(answer.get(), ErrorCode::node_lost),
                                 std::pair<const Record*, ErrorCode>(has_seen_it.get(), ErrorCode::node_lost)});

  f.change(other, std::int64_t{7});
  const RecordRef later = f.answer_from(other);
  f.saving.seal();
  f.saving.on_committed(f.disk.batches.back().number);
  CHECK(f.released.back() == later.get());
}

TEST_CASE("saving: an erased entity whose new state is too large was not erased, and no event says so", "[kernel]") {
  SavingFixture f;
  Activation& blob = f.put("Blob/a");
  f.change(blob, std::string("small"));
  f.saving.seal();
  f.saving.on_committed(f.disk.batches.front().number);
  blob.is_erased = true;
  f.saving.mark_dirty(blob);
  f.saving.note_erased(blob);
  f.change(blob, std::string(limits::kStateBytesMax + 1, 'x'));
  f.saving.seal();
  CHECK(f.discarded == std::vector{&blob});
  for (const LifeEntry& entry : f.events.trail().lives.entries()) CHECK(entry.what != Happening::erased);
}

TEST_CASE("saving: a reminder is advanced with the turn that it calls, and its message is written only if that goes on",
          "[kernel]") {
  SavingFixture f;
  Activation& counter = f.put("Counter/a");
  f.begin_occurrence(counter);
  f.change(counter, std::int64_t{5});
  const bool goes_on = GENERATE(false, true);
  if (!goes_on) f.end_occurrence(counter);
  f.saving.seal();
  const std::vector<Operation>& operations = f.disk.batches.at(0).operations;
  REQUIRE(operations.size() == (goes_on ? 3U : 2U));
  CHECK(std::holds_alternative<PutSnapshot>(operations[0]));
  CHECK(std::get<AdvanceReminder>(operations[1]).next_ns == 15);
  if (goes_on) CHECK(std::get<PutMail>(operations[2]).mail.status == MailStatus::begun);
  CHECK(f.reminded == 1);
}

TEST_CASE("saving: a reminder whose call cannot be saved is advanced, its message is dead, and what it sets is dropped",
          "[kernel]") {
  SavingFixture f;
  Activation& blob = f.put("Blob/a");
  f.begin_occurrence(blob);
  f.saving.add(blob, SavingFixture::forget_tick());
  f.change(blob, std::string(limits::kStateBytesMax + 1, 'x'));
  f.end_occurrence(blob);
  f.saving.seal();
  CHECK(f.discarded == std::vector{&blob});
  const std::vector<Operation>& operations = f.disk.batches.at(0).operations;
  REQUIRE(operations.size() == 2);
  CHECK(std::holds_alternative<AdvanceReminder>(operations[0]));
  CHECK(std::get<PutMail>(operations[1]).mail.status == MailStatus::dead);
  CHECK_THAT(std::get<PutMail>(operations[1]).mail.why, Catch::Contains("too large"));
  CHECK(f.reminded == 1);
}

TEST_CASE("saving: an entity that is erased loses its reminders after the one that is due, and before those it sets",
          "[kernel]") {
  SavingFixture f;
  f.has_reminders = GENERATE(false, true);
  Activation& counter = f.put("Counter/a");
  f.change(counter, std::int64_t{5});
  f.saving.seal();
  f.saving.on_committed(f.disk.batches.front().number);
  if (f.has_reminders) f.begin_occurrence(counter);
  f.saving.add(counter, SavingFixture::forget_tick());  // goes, too
  const RecordRef call = f.call_of(counter);
  f.scheduler.current = call.get();
  f.saving.erase();
  f.scheduler.current = nullptr;
  f.saving.note_erased(counter);
  if (f.has_reminders) f.end_occurrence(counter);
  f.saving.add(counter, SavingFixture::forget_tick());
  f.saving.seal();
  const std::vector<Operation>& operations = f.disk.batches.at(1).operations;
  if (!f.has_reminders) {
    REQUIRE(operations.size() == 2);
    CHECK(std::holds_alternative<EraseSnapshot>(operations[0]));
    CHECK(std::get<ForgetReminder>(operations[1]).name.name == "tick");
    return;
  }
  REQUIRE(operations.size() == 4);
  CHECK(std::holds_alternative<AdvanceReminder>(operations[0]));
  CHECK(std::get<ForgetReminder>(operations[1]).name.name.empty());
  CHECK(std::holds_alternative<EraseSnapshot>(operations[2]));
  CHECK(std::get<ForgetReminder>(operations[3]).name.name == "tick");
  CHECK(f.reminded == 3);
}

TEST_CASE("saving: behind a store that cannot write, a reply gets the reason before its deadline", "[kernel]") {
  SavingFixture f;
  Activation& counter = f.put("Counter/a");
  f.change(counter, std::int64_t{5});
  const RecordRef answer = f.answer_from(counter, 1'900'000'000);
  f.admission.blocked = "the disk is full";
  f.scheduler.now_ns = 1'800'000'000;
  f.saving.on_time();
  CHECK(f.refused.empty());
  f.scheduler.now_ns = 1'900'000'000;
  f.saving.on_time();
  CHECK(f.refused == std::vector{std::pair<const Record*, ErrorCode>(answer.get(), ErrorCode::timeout)});
  CHECK(f.saving.held_count() == 0);
}

TEST_CASE("saving: results that wait for the store are bounded, and the one beyond the bound says so", "[kernel]") {
  SavingFixture f;
  Activation& counter = f.put("Counter/a");
  const auto answer_with = [&](std::size_t bytes) {
    f.saving.hold(*f.call_of(counter),
                  {.kind = Outgoing::Kind::reply,
                   .reply = {.sequence = 1, .outcome = ResultPart{std::vector<std::byte>(bytes)}}});
  };
  for (std::int64_t round = 1; round <= 2; ++round) {
    f.outcomes.clear();
    f.change(counter, round);
    answer_with(limits::kHeldBytesMax / 2);
    answer_with(limits::kHeldBytesMax / 2);
    answer_with(1);
    CHECK(f.outcomes.empty());
    f.saving.seal();
    f.saving.on_committed(f.disk.batches.back().number);
    REQUIRE(f.outcomes.size() == 3);
    CHECK(std::holds_alternative<ResultPart>(f.outcomes[1]));
    REQUIRE(std::holds_alternative<ErrorPart>(f.outcomes[2]));
    CHECK_THAT(std::get<ErrorPart>(f.outcomes[2]).message, Catch::Contains("the method has run"));
  }
}

TEST_CASE("saving: a result for a caller in this process counts as it lies in memory, and is dropped beyond the bound",
          "[kernel]") {
  SavingFixture f;
  Activation& counter = f.put("Counter/a");
  f.change(counter, std::int64_t{1});
  using Held = epic::detail::ResultRecord<std::string>;
  const auto answer_with = [&](std::size_t bytes) {
    auto record = Ref<testing_entities::Counter>("a")->who().epic_take_record();
    record->outcome.value.emplace(bytes, 'x');
    record->activation = &counter;
    f.saving.hold(*record, {.kind = Outgoing::Kind::end, .record = RecordRef::share(*record)});
    return record;
  };
  const epic::detail::RecordPtr<Held> first = answer_with(limits::kHeldBytesMax - 1'000);
  const epic::detail::RecordPtr<Held> second = answer_with(1'000'000);
  CHECK(second->outcome.value->capacity() < 1'000);
  CHECK_THROWS_WITH(second->take(), Catch::Contains("Counter/a.who was dropped") && Catch::Contains("has run"));
  f.saving.seal();
  f.saving.on_committed(f.disk.batches.back().number);
  CHECK(f.released == std::vector<const Record*>{first.get(), second.get()});
  CHECK(first->take().size() == limits::kHeldBytesMax - 1'000);
}

TEST_CASE("saving: the texts of errors that wait for the store are bounded, too", "[kernel]") {
  SavingFixture f;
  Activation& counter = f.put("Counter/a");
  f.change(counter, std::int64_t{1});
  for (const std::size_t bytes : {limits::kHeldBytesMax, std::size_t{1'000}})
    f.saving.hold(
        *f.call_of(counter),
        {.kind = Outgoing::Kind::reply,
         .reply = {.sequence = 1, .outcome = ErrorPart{ErrorCode::call_failed, "Oops", std::string(bytes, 'x')}}});
  f.saving.seal();
  f.saving.on_committed(f.disk.batches.back().number);
  REQUIRE(f.outcomes.size() == 2);
  CHECK(std::get<ErrorPart>(f.outcomes[0]).message.size() == limits::kHeldBytesMax);
  CHECK_THAT(std::get<ErrorPart>(f.outcomes[1]).message, Catch::Contains("the text of the error was dropped"));
  CHECK(std::get<ErrorPart>(f.outcomes[1]).exception_type == "Oops");
}

TEST_CASE("saving: held calls can be taken back, and are not released later", "[kernel]") {
  SavingFixture f;
  Activation& counter = f.put("Counter/a");
  f.change(counter, std::int64_t{5});
  const RecordRef answer = f.answer_from(counter);
  RecordRef call(counter.type->info->methods.front()->make_record());
  f.saving.hold(*answer, {.kind = Outgoing::Kind::call, .record = call});
  const auto taken = f.saving.take_calls([](const Record&) { return true; });
  REQUIRE(taken.size() == 1);
  CHECK(taken.front().get() == call.get());
  f.saving.seal();
  f.saving.on_committed(f.disk.batches.front().number);
  CHECK(f.released == std::vector<const Record*>{answer.get()});
}

TEST_CASE("saving: a frame that stops waiting in saved() costs no look at the others that wait", "[kernel]") {
  SavingFixture f;
  f.change(f.put("Counter/a"), std::int64_t{5});
  const RecordRef call = f.call_of(*f.table.find("Counter/a"));
  constexpr std::size_t kWaiting = 200'000;  // each looking at all others takes minutes
  std::deque<epic::detail::SavedAwaiter> waiting(kWaiting);
  for (auto& awaiter : waiting) {
    f.scheduler.current = call.get();
    const Saving::Awaited awaited = f.saving.await_saved();
    REQUIRE_FALSE(f.saving.is_durable(awaited.commit));
    f.parked.add(awaiter, epic::detail::WaitsFor::commit, static_cast<std::int64_t>(awaited.commit.value));
  }
  for (std::size_t i = kWaiting; i > 1; --i) f.parked.forget(waiting[i - 1]);
  f.saving.seal();
  f.saving.on_committed(f.disk.batches.front().number);
  const RunQueue::Item resumed = f.scheduler.queue.pop();
  CHECK(resumed.waiter == &waiting[0].waiter);
  CHECK(f.scheduler.queue.empty());
  f.scheduler.current = nullptr;
  for (auto& awaiter : waiting) awaiter.place = {};  // gone before the list is
}

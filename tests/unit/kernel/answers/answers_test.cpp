// Calls with idempotency keys, on simulated nodes.

#include "kernel/answers/answers.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>

#include "codec/capnp_codec.hpp"
#include "epic/epic.hpp"
#include "kernel/limits.hpp"
#include "kernel/placement.hpp"
#include "support/keyed_calls.hpp"

using namespace epic;
using namespace std::chrono_literals;
using epic::test::call_keyed;
using epic::test::SimFabric;
using epic::test::start_keyed;

namespace {

bool is_till_stuck = false;

class Till : public Entity {
  std::int64_t cents_ = 100;
  std::int64_t finished_ = 0;
  std::string filling_;

 public:
  Task<void> on_activate() override {
    if (is_till_stuck) throw std::runtime_error("the drawer is stuck");
    co_return;
  }
  Task<std::int64_t> pay(std::int64_t cents) {
    if (cents > cents_) throw std::out_of_range("no money");
    co_return cents_ -= cents;
  }
  Task<std::int64_t> refund(std::int64_t cents) { co_return cents_ += cents; }
  Task<std::int64_t> pay_slowly(std::int64_t cents) {
    cents_ -= cents;
    co_await epic::sleep(50ms);
    ++finished_;
    co_return cents_;
  }
  Task<std::int64_t> pay_and_fail(std::int64_t cents) {
    cents_ -= cents;
    co_await epic::sleep(5ms);
    throw std::out_of_range("no paper");
  }
  Task<std::int64_t> pay_at(Ref<Till> other, std::int64_t cents) { co_return co_await other->pay(cents); }
  Task<std::string> print(std::uint64_t bytes) {
    ++finished_;
    co_return std::string(bytes, 'x');
  }
  Task<void> fill(std::uint64_t bytes) {
    filling_.assign(bytes, 'x');
    co_return;
  }
  Task<void> wipe() {
    erase();
    co_return;
  }
  Task<std::int64_t> cents() const { co_return cents_; }
  Task<std::int64_t> finished() const { co_return finished_; }
  EPIC_ENTITY(Till, state(cents_, finished_, filling_),
              methods(pay, refund, pay_slowly, pay_and_fail, pay_at, print, fill, wipe, cents, finished))
};

class Stranger : public Entity {
 public:
  Task<void> greet() { co_return; }
  EPIC_ENTITY(Stranger, transient, methods(greet))
};

/// It and its method had other names.
class Safe : public Entity {
  std::int64_t cents_ = 100;

 public:
  Task<std::int64_t> pay(std::int64_t cents) { co_return cents_ -= cents; }
  Task<std::int64_t> refund(std::int64_t cents) { co_return cents_ += cents; }
  Task<std::int64_t> cents() const { co_return cents_; }
  EPIC_ENTITY(Safe, named("Safe", formerly("Chest")), state(cents_), methods(pay, refund, cents), renamed(spend, pay))
};

const ModuleInfo& tills() {
  static const EntityInfoFn entities[] = {&Till::epic_info, &Stranger::epic_info, &Safe::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct AnswersFixture {
  AnswersFixture() {
    is_till_stuck = false;
    fabric.run_for(100ms);
  }
  codec::CapnpCodec codec;
  SimFabric fabric{{.seed = 11}, tills(), codec};

  std::optional<kernel::Answer> stored(std::string key) {
    const std::string entity = "Till/a";
    return *fabric.store().answer(
        {.shard = kernel::ungrouped(16).shard_of(entity), .entity = entity, .subject = {}, .key = std::move(key)});
  }
  std::optional<kernel::Answer> stored_of_safe(std::string key) {
    const std::string entity = "Chest/a";
    return *fabric.store().answer(
        {.shard = kernel::ungrouped(16).shard_of(entity), .entity = entity, .subject = {}, .key = std::move(key)});
  }
  [[nodiscard]] std::uint16_t owner() const { return fabric.owner_of("Till/a"); }
  [[nodiscard]] std::uint16_t other() const { return static_cast<std::uint16_t>(owner() % 3 + 1); }
  std::int64_t cents() { return fabric.call(other(), till->cents()); }

  Ref<Till> till{"a"};
};

}  // namespace

TEST_CASE("answers: a call that is repeated runs once, on whatever node the repeats arrive, and after a restart",
          "[kernel]") {
  AnswersFixture f;
  for (std::uint16_t node = 1; node <= 3; ++node) CHECK(call_keyed(f.fabric, node, f.till->pay(10), "k") == "90");
  CHECK(call_keyed(f.fabric, 1, f.till->pay(10), "l") == "80");
  CHECK(call_keyed(f.fabric, 1, Ref<Till>("b")->pay(10), "k") == "90");  // another entity's
  const std::uint16_t survivor = f.other();
  f.fabric.kill(f.owner());
  CHECK(call_keyed(f.fabric, survivor, f.till->pay(10), "k") == "90");
  CHECK(f.fabric.call(survivor, f.till->cents()) == 80);
  CHECK(f.stored("k")->method == "pay");
  CHECK(f.stored("k")->end.status == kernel::AnswerStatus::returned);
}

TEST_CASE("answers: a repeat gets the exception that the call has thrown", "[kernel]") {
  AnswersFixture f;
  CHECK(call_keyed(f.fabric, 1, f.till->pay(1'000), "k") == "threw: no money");
  f.fabric.call(1, f.till->refund(5'000));
  for (std::uint16_t node = 1; node <= 3; ++node)
    CHECK(call_keyed(f.fabric, node, f.till->pay(1'000), "k") == "threw: no money");
  CHECK(call_keyed(f.fabric, 1, f.till->pay_and_fail(1), "l") == "threw: no paper");
  CHECK(call_keyed(f.fabric, 2, f.till->pay_and_fail(1), "l") == "threw: no paper");
  CHECK(f.cents() == 5'099);
}

TEST_CASE("answers: a repeat joins the call that runs, and waits for its commit", "[kernel]") {
  AnswersFixture f;
  std::vector<std::shared_ptr<std::string>> outcomes;
  for (std::uint16_t node = 1; node <= 3; ++node)
    outcomes.push_back(start_keyed(f.fabric, node, f.till->pay_slowly(10), "k"));
  f.fabric.run_for(20ms);
  outcomes.push_back(start_keyed(f.fabric, 1, f.till->pay_slowly(10), "k"));
  const auto different = start_keyed(f.fabric, 1, f.till->pay_slowly(11), "k");
  f.fabric.run_for(10ms);
  CHECK_THAT(*different, Catch::StartsWith("bad_arguments: "));
  f.fabric.hold_commits(true);
  f.fabric.run_for(100ms);
  outcomes.push_back(start_keyed(f.fabric, 2, f.till->pay_slowly(10), "k"));
  f.fabric.run_for(100ms);
  for (const auto& outcome : outcomes) CHECK(outcome->empty());
  f.fabric.hold_commits(false);
  f.fabric.run_for(100ms);
  for (const auto& outcome : outcomes) CHECK(*outcome == "90");
  CHECK(f.fabric.call(1, f.till->finished()) == 1);
  CHECK(f.cents() == 90);
}

TEST_CASE("answers: a caller that stops waiting leaves the call running, and a later repeat gets its result",
          "[kernel]") {
  AnswersFixture f;
  const auto hurried = start_keyed(f.fabric, 1, f.till.with(20ms)->pay_slowly(10), "k");
  f.fabric.run_for(30ms);
  CHECK_THAT(*hurried, Catch::StartsWith("timeout: "));
  CHECK(call_keyed(f.fabric, 2, f.till->pay_slowly(10), "k") == "90");
  CHECK(f.cents() == 90);
}

TEST_CASE("answers: another call under a key that was used is refused", "[kernel]") {
  AnswersFixture f;
  CHECK(call_keyed(f.fabric, 1, f.till->pay(10), "k") == "90");
  CHECK(call_keyed(f.fabric, 2, f.till->pay(11), "k") ==
        "bad_arguments: Till/a.pay was not started: its idempotency key 'k' was used before for this method with other "
        "arguments. A key stands for one call: use another for this one");
  CHECK(call_keyed(f.fabric, 2, f.till->refund(10), "k") ==
        "bad_arguments: Till/a.refund was not started: its idempotency key 'k' was used before for the method pay. A "
        "key stands for one call: use another for this one");
  CHECK(f.cents() == 90);
}

TEST_CASE("answers: a call that a crash cuts short after its first turn is Interrupted, and never runs again",
          "[kernel]") {
  AnswersFixture f;
  const std::uint16_t caller = f.other();
  const auto first = start_keyed(f.fabric, caller, f.till->pay_slowly(10), "k");
  REQUIRE(f.fabric.run_until([&] { return f.stored("k").has_value(); }));
  CHECK(f.stored("k")->end.status == kernel::AnswerStatus::begun);
  f.fabric.kill(f.owner());
  REQUIRE(f.fabric.run_until([&] { return !first->empty(); }));  // it was sent again, as it has a key
  CHECK_THAT(*first, Catch::StartsWith("interrupted: Till/a.pay_slowly was interrupted, and does not run again under "
                                       "the idempotency key 'k'"));
  CHECK_THAT(call_keyed(f.fabric, caller, f.till->pay_slowly(10), "k"), Catch::StartsWith("interrupted: "));
  CHECK_THAT(call_keyed(f.fabric, caller, f.till->pay_slowly(11), "k"), Catch::StartsWith("bad_arguments: "));
  CHECK(f.fabric.call(caller, f.till->cents()) == 90);
  CHECK(f.fabric.call(caller, f.till->finished()) == 0);
}

TEST_CASE("answers: a call whose first turn a crash undoes runs again, once", "[kernel]") {
  AnswersFixture f;
  const std::uint16_t caller = f.other();
  f.fabric.hold_commits(true);
  const auto first = start_keyed(f.fabric, caller, f.till->pay(10), "k");
  f.fabric.run_for(20ms);
  f.fabric.kill(f.owner());
  f.fabric.hold_commits(false);
  REQUIRE(f.fabric.run_until([&] { return !first->empty(); }));
  CHECK(*first == "90");
  CHECK(call_keyed(f.fabric, caller, f.till->pay(10), "k") == "90");
  CHECK(f.fabric.call(caller, f.till->cents()) == 90);
}

TEST_CASE("answers: a shard that moves while keyed calls arrive loses and doubles none", "[kernel]") {
  AnswersFixture f;
  const kernel::ShardId shard = kernel::ungrouped(16).shard_of("Till/a");
  std::vector<std::shared_ptr<std::string>> outcomes;
  for (int i = 0; i < 20; ++i) {
    for (std::uint16_t node = 1; node <= 3; ++node)
      outcomes.push_back(start_keyed(f.fabric, node, f.till->pay(1), std::to_string(i)));
    f.fabric.move_shard(shard, static_cast<std::uint16_t>(i % 3 + 1));
    f.fabric.run_for(3ms);
  }
  f.fabric.run_for(2s);
  for (const auto& outcome : outcomes) CHECK_THAT(*outcome, Catch::Matches("[0-9]+"));
  CHECK(f.cents() == 80);
}

TEST_CASE("answers: a call that was refused before it started stores nothing", "[kernel]") {
  AnswersFixture f;
  is_till_stuck = true;
  CHECK_THAT(call_keyed(f.fabric, 1, f.till->pay(10), "k"), Catch::StartsWith("activation_failed: "));
  CHECK_FALSE(f.stored("k").has_value());
  is_till_stuck = false;
  CHECK(call_keyed(f.fabric, 1, f.till->pay(10), "k") == "90");
}

TEST_CASE("answers: a change that cannot be saved is undone with its answer", "[kernel]") {
  AnswersFixture f;
  const std::uint64_t bytes = kernel::limits::kStateBytesMax + 1;
  CHECK_THAT(call_keyed(f.fabric, 1, f.till->fill(bytes), "k"), Catch::StartsWith("state_too_large: "));
  CHECK_FALSE(f.stored("k").has_value());
  CHECK_THAT(call_keyed(f.fabric, 2, f.till->fill(bytes), "k"), Catch::StartsWith("state_too_large: "));
  CHECK(call_keyed(f.fabric, 2, f.till->pay(10), "l") == "90");
}

TEST_CASE("answers: a result that is too large to keep reaches the first caller, and repeats get an error",
          "[kernel]") {
  AnswersFixture f;
  const std::uint64_t bytes = kernel::limits::kAnswerBytesMax + 1;
  CHECK(call_keyed(f.fabric, 1, f.till->print(bytes), "k").size() == bytes);
  CHECK_THAT(call_keyed(f.fabric, 2, f.till->print(bytes), "k"),
             Catch::Contains("are kept for repeats of a call; the method has run"));
  CHECK(call_keyed(f.fabric, 1, f.till->print(1'000), "l").size() == 1'000);
  CHECK(call_keyed(f.fabric, 2, f.till->print(1'000), "l").size() == 1'000);
  CHECK(f.fabric.call(1, f.till->finished()) == 2);
}

TEST_CASE("answers: reading has an answer, too, and erasing the entity leaves its answers", "[kernel]") {
  AnswersFixture f;
  CHECK(call_keyed(f.fabric, 1, f.till->cents(), "look") == "100");
  CHECK(call_keyed(f.fabric, 1, f.till->pay(10), "k") == "90");
  CHECK(call_keyed(f.fabric, 2, f.till->cents(), "look") == "100");
  CHECK(call_keyed(f.fabric, 1, f.till->wipe(), "w") == "done");
  f.fabric.kill(f.owner());
  const std::uint16_t node = f.fabric.is_alive(1) ? 1 : 2;
  CHECK(call_keyed(f.fabric, node, f.till->pay(10), "k") == "90");  // it does not run on the new entity
  CHECK(call_keyed(f.fabric, node, f.till->wipe(), "w") == "done");
  CHECK(f.fabric.call(node, f.till->cents()) == 100);
}

TEST_CASE("answers: one that was kept under a former name of its method is that method's", "[kernel]") {
  AnswersFixture f;
  const Ref<Safe> safe("a");
  CHECK(call_keyed(f.fabric, 1, safe->pay(10), "k") == "90");
  std::optional<kernel::Answer> former = f.stored_of_safe("k");
  REQUIRE(former);
  CHECK(former->method == "pay");
  former->id.key = "former";
  former->method = "spend";
  const auto rows = *f.fabric.store().shards();
  const auto row = std::ranges::find(rows, former->id.shard, &storage::Store::ShardRow::shard);
  REQUIRE(row != rows.end());
  REQUIRE(f.fabric.store().commit({.number = {},
                                   .writer = row->incarnation,
                                   .epochs = {{row->shard, row->epoch}},
                                   .schemas = {},
                                   .operations = {kernel::PutAnswer{*former}}}));
  for (std::uint16_t node = 1; node <= 3; ++node) CHECK(call_keyed(f.fabric, node, safe->pay(10), "former") == "90");
  CHECK_THAT(call_keyed(f.fabric, 1, safe->pay(11), "former"), Catch::Contains("this method with other arguments"));
  CHECK_THAT(call_keyed(f.fabric, 1, safe->refund(10), "former"), Catch::Contains("for the method spend"));
  CHECK(f.fabric.call(1, safe->cents()) == 90);
}

TEST_CASE("answers: an entity has the same ones by each name of its class", "[kernel]") {
  AnswersFixture f;
  CHECK(call_keyed(f.fabric, 1, Ref<Safe>("a")->pay(10), "k") == "90");
  CHECK(f.stored_of_safe("k").has_value());
  for (const std::string_view type : {"Safe", "Chest"}) {
    INFO(type);
    auto record = Ref<Safe>("a")->pay(10).epic_take_record();
    kernel::set_key(*record, "k");
    record->callee = epic::detail::make_name(type, "a");
    std::optional<std::int64_t> result;
    f.fabric.submit(2, kernel::RecordRef(record.detach()), [&result](kernel::Record& ended) {
      result = static_cast<epic::detail::ResultRecord<std::int64_t>&>(ended).take();
    });
    REQUIRE(f.fabric.run_until([&] { return result.has_value(); }));
    CHECK(result == 90);
  }
  CHECK(f.fabric.call(1, Ref<Safe>("a")->cents()) == 90);
}

TEST_CASE("answers: the calls that a keyed call makes are their own", "[kernel]") {
  AnswersFixture f;
  for (int i = 0; i < 2; ++i) CHECK(call_keyed(f.fabric, 1, f.till->pay_at(Ref<Till>("b"), 10), "k") == "90");
  CHECK(call_keyed(f.fabric, 1, Ref<Till>("b")->pay(10), "k") == "80");
}

TEST_CASE("answers: a key that cannot be used, and an entity without saved state, are refused", "[kernel]") {
  AnswersFixture f;
  CHECK(call_keyed(f.fabric, 1, f.till->pay(10), std::string(257, 'k')) ==
        "bad_arguments: Till/a.pay was not started: its idempotency key cannot be used: it has 257 bytes, and 256 is "
        "the most");
  CHECK_THAT(call_keyed(f.fabric, 1, f.till->pay(10), "a\nb"), Catch::Contains("it is not plain UTF-8 text"));
  CHECK(call_keyed(f.fabric, 1, Ref<Stranger>("s")->greet(), "k") ==
        "bad_arguments: Stranger/s.greet was not started: Stranger has no saved state, so there is nowhere to "
        "record that the call took effect: call it without an idempotency key");
  CHECK(f.cents() == 100);
}

TEST_CASE("answers: they are kept for a day, and then removed", "[kernel]") {
  AnswersFixture f;
  constexpr int kKeys = 600;  // more than one sweep removes
  for (int i = 0; i < kKeys; ++i) start_keyed(f.fabric, 1, f.till->refund(1), std::to_string(i));
  f.fabric.run_for(1s);
  f.fabric.run_for(23h);
  CHECK(call_keyed(f.fabric, 2, f.till->pay(10), "late") == "690");
  for (int i = 0; i < kKeys; ++i) REQUIRE(f.stored(std::to_string(i)).has_value());
  f.fabric.run_for(1h + 5min);
  for (int i = 0; i < kKeys; ++i) REQUIRE_FALSE(f.stored(std::to_string(i)).has_value());
  CHECK(f.stored("late").has_value());
  CHECK(call_keyed(f.fabric, 2, f.till->pay(10), "late") == "690");
  CHECK(call_keyed(f.fabric, 2, f.till->refund(1), "0") == "691");  // it runs again
  f.fabric.run_for(24h);
  CHECK_FALSE(f.stored("late").has_value());
}

TEST_CASE("answers: a node remembers a key only until its answer is durable", "[kernel]") {
  AnswersFixture f;
  for (int i = 0; i < 10; ++i) CHECK_FALSE(call_keyed(f.fabric, 1, f.till->refund(1), std::to_string(i)).empty());
  f.fabric.run_for(1s);
  for (std::uint16_t node = 1; node <= 3; ++node) CHECK(f.fabric.kernel(node).answers().size() == 0);
  CHECK(f.fabric.kernel(f.owner()).answers().counts().begun == 10);
}

// broadcast(): each entity gets the call once, wherever it is, and the caller learns how many have ended and how.

#include "epic/broadcast.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <epic/epic.hpp>
#include <map>
#include <ranges>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

class Herald;

class Villager : public Entity {
 public:
  static inline std::map<std::string, std::vector<std::string>, std::less<>> heard;
  static inline std::int64_t running = 0;
  static inline std::int64_t most = 0;

  Task<std::int64_t> hear(std::string news, std::vector<std::int64_t> numbers) {
    heard[std::string(key())].push_back(fmt::format("{} {}", news, fmt::join(numbers, "+")));
    co_return numbers.empty() ? 0 : numbers.back();
  }
  Task<void> take_time(std::chrono::milliseconds time) const {
    most = std::max(most, ++running);
    co_await sleep(time);
    --running;
  }
  Task<void> refuse_odd() {
    if (std::stoll(std::string(key())) % 2 != 0) throw std::invalid_argument(fmt::format("{} is odd", key()));
    co_return;
  }
  Task<void> answer(Ref<Herald> back);
  Task<void> hear_alone(std::string news) {
    heard[std::string(key())].push_back(news);
    co_return;
  }
  Task<void> not_listed() { co_return; }
  EPIC_ENTITY(Villager, methods(hear, take_time, refuse_odd, answer), exclusive(hear_alone), transient)
};

std::vector<Ref<Villager>> villagers(std::int64_t count) {
  std::vector<Ref<Villager>> refs;
  for (std::int64_t i = 0; i < count; ++i) refs.emplace_back(i);
  return refs;
}

std::string text_of(const BroadcastResult& result) {
  std::string text = fmt::format("{} and {}", result.succeeded, result.failed);
  for (const BroadcastResult::Failure& failure : result.failures)
    text += fmt::format("; {} {}: {}", failure.entity, to_string(failure.code), failure.what);
  return text;
}

class Herald : public Entity {
  std::int64_t rounds_ = 0;

 public:
  static inline bool was_cancelled = false;

  Task<std::string> tell(std::int64_t count) {
    ++rounds_;
    const std::string news = fmt::format("round {}", rounds_);
    co_return text_of(co_await broadcast(villagers(count), &Villager::hear, news, std::vector<std::int64_t>{1, 2}));
  }
  /// The keys of a range that is no vector, and an exclusive method.
  Task<std::string> tell_some(std::int64_t count) const {
    const auto all = villagers(count);
    co_return text_of(co_await broadcast(all | std::views::take(3), &Villager::hear_alone, "some"));
  }
  Task<std::string> wait(std::int64_t count, std::chrono::milliseconds time, std::chrono::milliseconds deadline) const {
    co_return text_of(co_await broadcast(villagers(count), &Villager::take_time, time).with(deadline));
  }
  Task<std::string> annoy(std::int64_t count) const {
    co_return text_of(co_await broadcast(villagers(count), &Villager::refuse_odd));
  }
  Task<void> be_answered() { co_return; }
  Task<std::string> wait_for_itself() {
    co_return text_of(co_await broadcast(villagers(3), &Villager::answer, self()));
  }
  Task<std::string> misuse(std::string how) const {
    try {
      if (how == "unlisted") co_await broadcast(villagers(2), &Villager::not_listed);
      std::vector<Ref<Villager>> refs = villagers(2);
      refs.emplace_back();
      if (how == "empty") co_await broadcast(refs, &Villager::refuse_odd);
    } catch (const std::logic_error& error) {
      co_return error.what();
    }
    co_return "nothing";
  }
  /// Of one that is told in the same turn as all others, before and after them.
  Task<void> tell_around(std::int64_t key) {
    const Ref<Villager> one(key);
    auto before = spawn(one->hear("before", {}));
    auto all = spawn(
        []() -> Task<> { co_await broadcast(villagers(8), &Villager::hear, "all", std::vector<std::int64_t>()); });
    auto after = spawn([one]() -> Task<> { co_await one->hear("after", {}); });
    co_await before;
    co_await all;
    co_await after;
  }
  Task<void> give_up() {
    auto waiting = spawn([]() -> Task<> {
      try {
        co_await broadcast(villagers(5'000), &Villager::take_time, 3'000ms);
      } catch (const Cancelled&) {
        was_cancelled = true;
        throw;
      }
    });
    co_await sleep(20ms);
    waiting.cancel();
    co_await sleep(200ms);
  }
  EPIC_ENTITY(Herald, state(rounds_), methods(tell, tell_some, wait, annoy, misuse, tell_around, give_up),
              exclusive(be_answered, wait_for_itself))
};

Task<void> Villager::answer(Ref<Herald> back) { co_await back->be_answered(); }

const ModuleInfo& heralds() {
  static const EntityInfoFn entities[] = {&Villager::epic_info, &Herald::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct BroadcastFixture {
  explicit BroadcastFixture(std::uint16_t nodes = 3)
      : fabric({.seed = 11, .nodes = nodes}, heralds(), codec), herald("a") {
    Villager::heard.clear();
    Villager::running = Villager::most = 0;
    Herald::was_cancelled = false;
    fabric.run_for(100ms);
  }
  template <class R>
  R call(Call<R>&& call) {
    return fabric.call(1, std::move(call));
  }
  [[nodiscard]] std::size_t pending() {
    std::size_t calls = 0;
    for (const std::uint16_t node : {1, 2, 3}) calls += fabric.kernel(node).stats().calls_pending;
    return calls;
  }
  codec::CapnpCodec codec;
  test::SimFabric fabric;
  Ref<Herald> herald;
};

}  // namespace

TEST_CASE("broadcast: each entity gets the call once, with all arguments, and the calls are counted", "[kernel]") {
  const std::uint16_t nodes = GENERATE(std::uint16_t{1}, std::uint16_t{3});
  CAPTURE(nodes);
  BroadcastFixture f(nodes);
  CHECK(f.call(f.herald->tell(700)) == "700 and 0");
  CHECK(f.call(f.herald->tell(5'000)) == "5000 and 0");
  REQUIRE(Villager::heard.size() == 5'000);
  for (std::int64_t i = 0; i < 5'000; ++i) {
    const std::vector<std::string> all = {"round 1 1+2", "round 2 1+2"};
    REQUIRE(Villager::heard[std::to_string(i)] == (i < 700 ? all : std::vector(all.begin() + 1, all.end())));
  }
  CHECK(f.call(f.herald->tell(0)) == "0 and 0");
  CHECK(f.call(f.herald->tell_some(10)) == "3 and 0");
  CHECK(Villager::heard["2"].back() == "some");
  CHECK(Villager::heard["3"].back() == "round 2 1+2");
}

TEST_CASE("broadcast: calls that fail are counted, and named with what they have thrown", "[kernel]") {
  BroadcastFixture f;
  const std::string result = f.call(f.herald->annoy(6));
  CHECK_THAT(result, Catch::StartsWith("3 and 3; "));
  for (const int odd : {1, 3, 5})
    CHECK_THAT(result, Catch::Contains(fmt::format("Villager/{} call_failed: {} is odd", odd, odd)));
  const std::string many = f.call(f.herald->annoy(5'000));
  CHECK_THAT(many, Catch::StartsWith("2500 and 2500; "));
  CHECK(std::ranges::count(many, ';') == 100);
}

TEST_CASE("broadcast: a bounded number of calls is under way, and each has the deadline", "[kernel]") {
  BroadcastFixture f;
  CHECK(f.call(f.herald->wait(10'000, 5ms, 10'000ms)) == "10000 and 0");
  CHECK(Villager::most <= static_cast<std::int64_t>(kernel::limits::kBroadcastAtOnce));
  CHECK(Villager::most > static_cast<std::int64_t>(kernel::limits::kBroadcastAtOnce / 2));
  const std::string late = f.call(f.herald->wait(3, 5'000ms, 300ms));
  CHECK_THAT(late, Catch::StartsWith("0 and 3; "));
  CHECK_THAT(late, Catch::Contains(" timeout: "));
}

TEST_CASE("broadcast: a method that is not listed, and a Ref that names nothing, are refused before any call",
          "[kernel]") {
  BroadcastFixture f;
  CHECK_THAT(f.call(f.herald->misuse("unlisted")), Catch::Contains("the method is not one of Villager's"));
  CHECK_THAT(f.call(f.herald->misuse("empty")), Catch::Contains("refuse_odd"));
  CHECK(f.pending() == 0);
}

TEST_CASE("broadcast: calls of one caller to one entity begin in order, in a broadcast or not", "[kernel]") {
  BroadcastFixture f;
  std::size_t elsewhere = 0;
  for (std::int64_t key = 0; key < 8; ++key) {
    Villager::heard.clear();
    f.call(f.herald->tell_around(key));
    CHECK(Villager::heard[std::to_string(key)] == std::vector<std::string>{"before ", "all ", "after "});
    elsewhere += f.fabric.owner_of(fmt::format("Villager/{}", key)) == f.fabric.owner_of("Herald/a") ? 0 : 1;
  }
  CHECK(elsewhere > 0);
}

TEST_CASE("broadcast: entities that would wait for the lock of its caller get Deadlock", "[kernel]") {
  BroadcastFixture f;
  const std::string result = f.call(f.herald->wait_for_itself());
  CHECK_THAT(result, Catch::StartsWith("0 and 3; "));
  CHECK_THAT(result, Catch::Contains(" deadlock: Herald/a.be_answered would wait for itself"));
  CHECK(f.pending() == 0);
}

TEST_CASE("broadcast: no other node hears of it before what the caller has changed is durable", "[kernel]") {
  BroadcastFixture f;
  f.fabric.hold_commits(true);
  const auto ended = f.fabric.start_call<std::string>(1, f.herald->tell(300), {});
  f.fabric.run_for(100ms);
  CHECK_FALSE(*ended);
  const std::uint16_t home = f.fabric.owner_of("Herald/a");
  for (const auto& [key, news] : Villager::heard) CHECK(f.fabric.owner_of("Villager/" + key) == home);
  CHECK(Villager::heard.size() > 0);
  CHECK(Villager::heard.size() < 300);
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *ended; }, 10s));
  CHECK(Villager::heard.size() == 300);
}

TEST_CASE("broadcast: one that is cancelled begins no more calls, and its caller gets Cancelled", "[kernel]") {
  BroadcastFixture f;
  f.call(f.herald->give_up());
  CHECK(Herald::was_cancelled);
  CHECK(Villager::most <= static_cast<std::int64_t>(kernel::limits::kBroadcastAtOnce));
  f.fabric.run_for(5s);
  CHECK(f.pending() == 0);
  CHECK(Villager::running == Villager::most);  // none has slept to its end, and none has begun since
}

TEST_CASE("broadcast: calls to a node that is lost are counted as such, the others reach their entities", "[kernel]") {
  BroadcastFixture f;
  std::string result;
  const std::uint16_t home = f.fabric.owner_of("Herald/a");
  const auto victim = static_cast<std::uint16_t>(home % 3 + 1);
  const auto gateway = static_cast<std::uint16_t>(victim % 3 + 1);
  const auto ended = f.fabric.start_call<std::string>(
      gateway, f.herald->wait(600, 1'000ms, 20'000ms),
      [&result](detail::ResultRecord<std::string>& record) { result = record.take(); });
  f.fabric.run_for(300ms);
  f.fabric.kill(victim);
  REQUIRE(f.fabric.run_until([&] { return *ended; }, 30s));
  std::size_t at_victim = 0;
  for (auto at = result.find(" node_lost: "); at != std::string::npos; at = result.find(" node_lost: ", at + 1))
    ++at_victim;
  CHECK(at_victim > 0);
  const auto succeeded = std::stoul(result);
  const auto failed = std::stoul(result.substr(result.find("and ") + 4));
  CHECK(succeeded + failed == 600);
  CHECK(succeeded > 0);
  CHECK(at_victim == std::min<std::size_t>(failed, 100));
}

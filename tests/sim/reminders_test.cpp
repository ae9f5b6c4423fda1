// Reminders under faults: whatever crashes, moves, waits for the disk or sets the clock, each due time takes effect
// once, alone or counted by a later one, or is a dead letter.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "epic/epic.hpp"
#include "kernel/limits.hpp"
#include "support/sanitizers.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kChimeShards = 8;
constexpr int kChimes = 12;
constexpr std::uint64_t kReminderSeeds = test::kIsSanitized ? 2 : 25;

/// What a call does besides.
enum class Strike : std::uint8_t { plain, refuses, goes_on, goes_on_and_fails };
BOOST_DESCRIBE_ENUM(Strike, plain, refuses, goes_on, goes_on_and_fails)

class Chime : public Entity {
  std::map<std::int64_t, Strike> set_;         // once each, by number
  std::map<std::int64_t, std::int64_t> rung_;  // how often, by number
  std::int64_t next_ = 0;
  std::int64_t ticks_ = 0;  // with those that were missed

 public:
  Task<void> set(std::int64_t in_ms, Strike strike) {
    const std::int64_t number = next_++;
    set_[number] = strike;
    remind("once " + std::to_string(number), std::chrono::milliseconds(in_ms), &Chime::ring, number, strike);
    co_return;
  }
  Task<void> set_and_drop(std::int64_t in_ms) {  // both in one turn, or with a wait in between
    remind("dropped", std::chrono::milliseconds(in_ms), &Chime::ring, std::int64_t{-1}, Strike::plain);
    if (in_ms % 2 == 0) co_await epic::sleep(2ms);
    forget("dropped");
  }
  Task<void> start() {
    remind("tick", 20ms, 50ms, &Chime::tick);
    co_return;
  }
  Task<void> ring(std::int64_t number, Strike strike) {
    if (strike == Strike::refuses) throw std::runtime_error("the bell is broken");
    ++rung_[number];
    if (strike == Strike::plain) co_return;
    co_await epic::sleep(2ms);
    if (strike == Strike::goes_on_and_fails) throw std::runtime_error("the bell breaks");
  }
  Task<void> tick() {
    ticks_ += 1 + static_cast<std::int64_t>(epic::missed());
    co_return;
  }
  Task<void> stop() {
    forget("tick");
    co_return;
  }
  Task<std::map<std::int64_t, Strike>> was_set() const { co_return set_; }
  Task<std::map<std::int64_t, std::int64_t>> rung() const { co_return rung_; }
  Task<std::int64_t> ticks() const { co_return ticks_; }
  EPIC_ENTITY(Chime, state(set_, rung_, next_, ticks_),
              methods(set, set_and_drop, start, ring, tick, stop, was_set, rung, ticks))
};

const ModuleInfo& chimes() {
  static const EntityInfoFn entities[] = {&Chime::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

/// One run, from one seed.
class ReminderRun {
 public:
  explicit ReminderRun(std::uint64_t seed)
      : random_(seed), fabric_({.seed = seed, .shard_count = kChimeShards}, chimes(), codec_) {}

  void check() {
    fabric_.run_for(100ms);
    for (int i = 0; i < kChimes; ++i) fabric_.call(1, Ref<Chime>(i)->start());
    for (int step = 0; step < 80; ++step) {
      act();
      fabric_.run_for(std::chrono::microseconds(random_() % 40'000));
    }
    fabric_.hold_commits(false);
    for (std::uint16_t node = 1; node <= 3; ++node)
      if (!fabric_.is_alive(node)) fabric_.restart(node);
    fabric_.run_for(kernel::limits::kCallTimeout + 1s);  // nothing more is set
    const bool has_ended = fabric_.run_until(
        [this] {
          const auto counts = fabric_.store().count_mail();
          return *fabric_.store().count_reminders() == kChimes && counts->waiting == 0 && counts->begun == 0;
        },
        10min);
    INFO(*fabric_.store().count_reminders() << " reminders");
    REQUIRE(has_ended);
    check_calls();
  }

 private:
  std::uint16_t any_node() { return static_cast<std::uint16_t>(random_() % 3 + 1); }
  Ref<Chime> any_chime() { return Ref<Chime>(static_cast<int>(random_() % kChimes)); }

  void act() {
    const std::uint16_t node = any_node();
    switch (random_() % 14) {
      case 0:
        return fabric_.is_alive(node) ? fabric_.kill(node) : fabric_.restart(node);
      case 1:
      case 2:
        if (fabric_.is_alive(node))
          fabric_.move_shard(kernel::ShardId{static_cast<std::uint32_t>(random_() % kChimeShards)}, node);
        return;
      case 3:
        return fabric_.hold_commits(random_() % 2 == 0);
      case 4:
        return fabric_.move_wall_clock(std::chrono::milliseconds(static_cast<std::int64_t>(random_() % 2'000) - 1'000));
      case 5:
        if (fabric_.is_alive(node))
          fabric_.start_call<void>(node, any_chime()->set_and_drop(static_cast<std::int64_t>(random_() % 8)), {});
        return;
      default:
        for (std::uint64_t i = random_() % 40; fabric_.is_alive(node) && i > 0; --i) {
          const auto strike = static_cast<Strike>(random_() % 3 == 0 ? random_() % 4 : 0);
          fabric_.start_call<void>(node, any_chime()->set(static_cast<std::int64_t>(random_() % 1'000), strike), {});
        }
    }
  }

  void check_calls() {
    std::uint64_t refused = 0;
    std::uint64_t failed = 0;
    for (int i = 0; i < kChimes; ++i) {
      INFO("Chime/" << i);
      std::map<std::int64_t, std::int64_t> wanted;
      for (const auto& [number, strike] : fabric_.call(1, Ref<Chime>(i)->was_set())) {
        refused += strike == Strike::refuses;
        failed += strike == Strike::goes_on_and_fails;
        if (strike != Strike::refuses) wanted[number] = 1;
      }
      auto rung = fabric_.call(1, Ref<Chime>(i)->rung());
      rung.erase(-1);  // may have come before it was dropped
      CHECK(rung == wanted);
    }
    std::uint64_t dead = 0;
    REQUIRE(fabric_.store().list_mail(
        {},
        [&](const kernel::Mail& mail) {
          CHECK(mail.status == kernel::MailStatus::dead);
          ++dead;
          return storage::Visit::go_on;
        },
        [](const auto&) {}));
    CHECK(dead >= refused + failed);  // and those whose node died

    for (int i = 0; i < kChimes; ++i) fabric_.call(1, Ref<Chime>(i)->ticks());  // all are in memory
    fabric_.hold_commits(false);
    std::map<std::string, std::int64_t> over;  // times of each schedule
    REQUIRE(fabric_.store().list_reminders(
        {},
        [&](const kernel::Reminder& one) {
          CHECK(one.name.name == "tick");
          over[one.name.key] = (one.due_ns - one.first_ns) / one.every_ns;
          return storage::Visit::go_on;
        },
        [](const auto&) {}));
    for (int i = 0; i < kChimes; ++i) {
      INFO("Chime/" << i);
      // Reading them takes less than a tick each, but some may have gone on since.
      const std::int64_t ticks = fabric_.call(1, Ref<Chime>(i)->ticks());
      CHECK(ticks >= over[std::to_string(i)]);
      CHECK(ticks <= over[std::to_string(i)] + 3);
      CHECK(ticks > 100);
    }
  }

  std::mt19937_64 random_;
  codec::CapnpCodec codec_;
  test::SimFabric fabric_;
};

}  // namespace

TEST_CASE("reminders: whatever goes wrong, each due time takes effect once, or is counted, or is a dead letter",
          "[sim]") {
  const char* given = std::getenv("EPIC_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + (given == nullptr ? kReminderSeeds : 1); ++seed) {
    INFO("EPIC_SEED=" << seed);
    ReminderRun(seed).check();
  }
}

// Calls with idempotency keys under faults: whatever crashes, moves or waits for the disk, each key has one effect, and
// all who use it get equal answers, or Interrupted.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "epic/epic.hpp"
#include "kernel/limits.hpp"
#include "support/keyed_calls.hpp"
#include "support/sanitizers.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kBookShards = 16;
constexpr int kBooks = 20;
constexpr std::uint64_t kBookSeeds = test::kIsSanitized ? 4 : 25;

/// What a call does besides.
enum class Manner : std::uint8_t {
  plain,
  refuses,           // throws in its first turn
  goes_on,           // changes, waits, changes more
  goes_on_and_fails  // changes, waits, then throws
};
BOOST_DESCRIBE_ENUM(Manner, plain, refuses, goes_on, goes_on_and_fails)

struct Effect {
  std::int64_t begun = 0;
  std::int64_t finished = 0;
};
BOOST_DESCRIBE_STRUCT(Effect, (), (begun, finished))

class Book : public Entity {
  std::int64_t entries_ = 0;
  std::map<std::string, Effect> effects_;

 public:
  Task<std::int64_t> enter(std::string key, Manner manner) {
    const std::int64_t number = ++entries_;
    ++effects_[key].begun;
    if (manner == Manner::refuses) throw std::runtime_error("no ink for entry " + std::to_string(number));
    if (manner != Manner::plain) co_await epic::sleep(30ms);
    if (manner == Manner::goes_on_and_fails) throw std::runtime_error("no more ink for " + std::to_string(number));
    ++effects_[key].finished;
    co_return number;
  }
  Task<std::map<std::string, Effect>> effects() const { co_return effects_; }
  EPIC_ENTITY(Book, state(entries_, effects_), methods(enter, effects))
};

const ModuleInfo& books() {
  static const EntityInfoFn entities[] = {&Book::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct Seen {
  std::uint64_t keys = 0;
  std::uint64_t repeats = 0;
  std::uint64_t interrupted = 0;  // keys
};

/// One run, from one seed.
class BookRun {
 public:
  explicit BookRun(std::uint64_t seed)
      : random_(seed), fabric_({.seed = seed, .shard_count = kBookShards}, books(), codec_) {}

  Seen check() {
    fabric_.run_for(100ms);
    for (int step = 0; step < 80; ++step) {
      act();
      fabric_.run_for(std::chrono::microseconds(random_() % 40'000));
    }
    fabric_.hold_commits(false);
    for (std::uint16_t node = 1; node <= 3; ++node)
      if (!fabric_.is_alive(node)) fabric_.restart(node);
    fabric_.run_for(kernel::limits::kCallTimeout + 1s);
    for (auto& [name, key] : keys_) {  // what is known in the end
      const auto last = call(name, key, 1);
      REQUIRE(fabric_.run_until([&] { return !last->empty(); }));
      CHECK(is_final(*last));
    }
    judge();
    return seen_;
  }

 private:
  struct Key {
    int book = 0;
    Manner manner{};
    std::vector<std::shared_ptr<std::string>> outcomes = {};
  };

  static bool is_interrupted(const std::string& outcome) { return outcome.starts_with("interrupted: "); }
  /// The method's own result or exception, or Interrupted.
  static bool is_final(const std::string& outcome) {
    return is_interrupted(outcome) || outcome.starts_with("threw: ") ||
           outcome.find_first_not_of("0123456789") == std::string::npos;
  }
  std::uint16_t any_node() { return static_cast<std::uint16_t>(random_() % 3 + 1); }

  std::shared_ptr<std::string> call(const std::string& name, Key& key, std::uint16_t node) {
    key.outcomes.push_back(test::start_keyed(fabric_, node, Ref<Book>(key.book)->enter(name, key.manner), name));
    return key.outcomes.back();
  }

  void act() {
    const std::uint16_t node = any_node();
    switch (random_() % 12) {
      case 0:
        return fabric_.is_alive(node) ? fabric_.kill(node) : fabric_.restart(node);
      case 1:
      case 2:
        if (fabric_.is_alive(node))
          fabric_.move_shard(kernel::ShardId{static_cast<std::uint32_t>(random_() % kBookShards)}, node);
        return;
      case 3:
        return fabric_.hold_commits(random_() % 2 == 0);
      default:
        for (std::uint64_t i = random_() % 6; fabric_.is_alive(node) && i > 0; --i) {
          const std::string name = "key-" + std::to_string(random_() % 150);
          const auto [at, is_new] = keys_.try_emplace(name);
          if (is_new) {
            at->second.book = static_cast<int>(random_() % kBooks);
            at->second.manner = static_cast<Manner>(random_() % 4);
          }
          seen_.repeats += !is_new;
          call(name, at->second, node);
        }
    }
  }

  void judge() {
    std::map<std::string, Effect> effects;
    for (int i = 0; i < kBooks; ++i) effects.merge(fabric_.call(1, Ref<Book>(i)->effects()));
    for (const auto& [name, key] : keys_) {
      std::set<std::string> answers;
      bool was_interrupted = false;
      for (const auto& outcome : key.outcomes) {
        if (outcome->empty() || !is_final(*outcome)) continue;  // its client's node has died, or it came to no node
        if (is_interrupted(*outcome))
          was_interrupted = true;
        else
          answers.insert(*outcome);
      }
      INFO(name << ", " << static_cast<int>(key.manner));
      const Effect effect = effects[name];
      CHECK(answers.size() + (was_interrupted ? 1 : 0) == 1);
      CHECK(effect.begun == 1);
      const bool must_finish = key.manner == Manner::plain || key.manner == Manner::goes_on;
      if (must_finish && !was_interrupted) CHECK(effect.finished == 1);
      if (!must_finish) CHECK(effect.finished == 0);
      CHECK(effect.finished <= 1);
      if (was_interrupted) CHECK((key.manner == Manner::goes_on || key.manner == Manner::goes_on_and_fails));
      ++seen_.keys;
      seen_.interrupted += was_interrupted;
    }
  }

  std::mt19937_64 random_;
  codec::CapnpCodec codec_;
  test::SimFabric fabric_;
  std::map<std::string, Key> keys_;
  Seen seen_;
};

}  // namespace

TEST_CASE("answers: whatever goes wrong, each key has one effect, and its answers are equal, or Interrupted", "[sim]") {
  const char* given = std::getenv("EPIC_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  const std::uint64_t count = given == nullptr ? kBookSeeds : 1;
  Seen all;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    INFO("EPIC_SEED=" << seed);
    const Seen seen = BookRun(seed).check();
    all.keys += seen.keys;
    all.repeats += seen.repeats;
    all.interrupted += seen.interrupted;
  }
  if (given != nullptr) return;
  CHECK(all.keys > 20 * count);  // it was a test
  CHECK(all.repeats > 5 * count);
  CHECK(all.interrupted > 0);
}

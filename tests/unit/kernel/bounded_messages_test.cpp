// What is beyond a bound of the messages between nodes fails the call concerned, and no other.

#include <epic/epic.hpp>

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;
using epic::test::SimFabric;

namespace {

constexpr std::int64_t kLarge = 30 << 20;

class Walker : public Entity {
 public:
  Task<std::int64_t> walk(std::int64_t steps) const {
    if (steps == 0) co_return 0;
    co_return 1 + co_await Ref<Walker>(steps)->walk(steps - 1);
  }
  Task<void> toss(std::int64_t size) const {
    throw std::runtime_error(std::string(static_cast<std::size_t>(size), 'x'));
    co_return;
  }
  Task<std::string> give(std::int64_t size) const { co_return std::string(static_cast<std::size_t>(size), 'x'); }
  Task<void> take(std::string text) const {
    static_cast<void>(text);
    co_return;
  }
  /// The same, made by an entity.
  Task<void> pass_on(std::string what, Ref<Walker> to) const {
    if (what == "toss") co_await to->toss(kLarge);
    if (what == "give") static_cast<void>(co_await to->give(kLarge));
    if (what == "take") co_await to->take(std::string(kLarge, 'x'));
    if (what == "walk") static_cast<void>(co_await to->walk(400));
  }
  Task<std::int64_t> wait() const {
    co_await epic::sleep(20ms);
    co_return 7;
  }
  EPIC_ENTITY(Walker, methods(walk, toss, give, take, pass_on, wait), transient)
};

const ModuleInfo& walkers() {
  static const EntityInfoFn entities[] = {&Walker::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

Ref<Walker> owned_by(const SimFabric& fabric, std::uint16_t node) {
  for (int i = 1000;; ++i)
    if (fabric.owner_of("Walker/" + std::to_string(i)) == node) return Ref<Walker>(i);
}

}  // namespace

TEST_CASE("bounds: a chain, an exception, a result or arguments beyond a bound cost nobody else an answer",
          "[kernel]") {
  const codec::CapnpCodec codec;
  SimFabric fabric({.seed = 5, .nodes = 2}, walkers(), codec);
  const std::uint16_t from = GENERATE(std::uint16_t{1}, std::uint16_t{2});
  const std::uint16_t to = GENERATE(std::uint16_t{1}, std::uint16_t{2});
  const std::string what = GENERATE(std::string("toss"), std::string("give"), std::string("take"), std::string("walk"));
  CAPTURE(from, to, what);
  int answered = 0;
  for (int i = 0; i < 40; ++i)
    fabric.start_call<std::int64_t>(static_cast<std::uint16_t>(i % 2 + 1), Ref<Walker>(i)->wait(), [&](auto& record) {
      if (record.outcome.value == 7) ++answered;
    });
  std::string failed;
  try {
    fabric.call(from, owned_by(fabric, from)->pass_on(what, owned_by(fabric, to)));
  } catch (const NodeLost&) {
    FAIL("the link was cut");
  } catch (const std::exception& error) {
    failed = error.what();
  }
  const bool is_local = from == to && what != "walk";
  CHECK(failed.empty() == (is_local && what != "toss"));
  CHECK((is_local || failed.size() < 2 * kernel::limits::kErrorTextBytesMax));
  CHECK(fabric.run_until([&] { return answered == 40; }, 5s));
}

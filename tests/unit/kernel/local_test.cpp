// local(n): a call runs on its caller's node, on one of so many instances.

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <epic/epic.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "kernel/kernel_scope.hpp"
#include "kernel/placement.hpp"
#include "kernel/record.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

std::int64_t node_here() { return kernel::here("a test").options().self.node.value; }

class Patron;

struct PainterCounts {
  std::int64_t made = 0;
  std::int64_t gone = 0;
  std::int64_t deactivated = 0;
  std::int64_t running = 0;
  std::int64_t most = 0;
};

class Painter : public Entity {
  std::int64_t strokes_ = 0;

 public:
  static inline PainterCounts counts;

  Painter() { ++counts.made; }
  ~Painter() override { ++counts.gone; }
  Task<> on_deactivate() override {
    ++counts.deactivated;
    co_return;
  }

  Task<std::int64_t> where() const { co_return node_here(); }
  Task<std::string> who() const { co_return fmt::format("{} {}", key(), self().name()); }
  Task<std::int64_t> stroke(std::chrono::milliseconds time) {
    co_await sleep(time);
    co_return ++strokes_;
  }
  Task<void> paint_alone(std::chrono::milliseconds time) {
    counts.most = std::max(counts.most, ++counts.running);
    co_await sleep(time);
    --counts.running;
  }
  Task<void> fail() const {
    throw std::invalid_argument("no paint");
    co_return;
  }
  Task<void> send(Ref<Patron> patron);
  EPIC_ENTITY(Painter, methods(where, who, stroke, fail, send), exclusive(paint_alone), local(3))
};

/// Placed.
class Patron : public Entity {
  std::int64_t paid_ = 0;

 public:
  Task<std::pair<std::int64_t, std::int64_t>> ask(std::string painter) const {
    const std::int64_t here = node_here();
    co_return std::pair(here, co_await Ref<Painter>(painter)->where());
  }
  Task<std::vector<std::int64_t>> have_painted(std::int64_t count, std::chrono::milliseconds time) const {
    std::vector<Call<std::int64_t>> calls;
    for (std::int64_t i = 0; i < count; ++i) calls.push_back(Ref<Painter>("wall")->stroke(time));
    co_return co_await gather(std::move(calls));
  }
  Task<void> have_painted_alone(std::int64_t count, std::chrono::milliseconds time) const {
    std::vector<Call<void>> calls;
    for (std::int64_t i = 0; i < count; ++i) calls.push_back(Ref<Painter>("wall")->paint_alone(time));
    co_await gather(std::move(calls));
  }
  Task<std::string> who() const { co_return co_await Ref<Painter>("wall")->who(); }
  Task<std::string> fail() const {
    try {
      co_await Ref<Painter>("wall")->fail();
    } catch (const std::invalid_argument& error) {
      co_return error.what();
    }
    co_return "nothing";
  }
  Task<std::int64_t> pay_and_ask() {
    ++paid_;
    co_return co_await Ref<Painter>("wall")->where();
  }
  Task<void> be_paid() {
    ++paid_;
    co_return;
  }
  Task<std::string> deliver_to() {
    try {
      epic::deliver(Ref<Painter>("wall")->stroke(1ms));
    } catch (const std::logic_error& error) {
      co_return error.what();
    }
    co_return "nothing";
  }
  EPIC_ENTITY(Patron, state(paid_),
              methods(ask, have_painted, have_painted_alone, who, fail, pay_and_ask, be_paid, deliver_to))
};

Task<void> Painter::send(Ref<Patron> patron) {
  epic::deliver(patron->be_paid());
  co_return;
}

const ModuleInfo& painters() {
  static const EntityInfoFn entities[] = {&Painter::epic_info, &Patron::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct LocalFixture {
  explicit LocalFixture(std::chrono::nanoseconds idle_age = kernel::limits::kIdleAge)
      : fabric({.seed = 3, .idle_age = idle_age}, painters(), codec) {
    fabric.run_for(100ms);
    Painter::counts = {};
  }
  template <class R>
  R call(Call<R>&& call) {
    return fabric.call(1, std::move(call));
  }
  static kernel::ShardId shard_of(std::string_view name) {
    return kernel::ungrouped(test::SimOptions().shard_count).shard_of(name);
  }
  /// A patron that this node has, in another shard than the painter's.
  Ref<Patron> patron_of(std::uint16_t node) {
    for (int key = 0;; ++key)
      if (const std::string name = fmt::format("Patron/{}", key);
          fabric.owner_of(name) == node && shard_of(name) != shard_of("Painter/wall"))
        return Ref<Patron>(key);
  }
  codec::CapnpCodec codec;
  test::SimFabric fabric;
};

}  // namespace

TEST_CASE("local: a call runs on its caller's node, whatever node has the shard of its name", "[kernel]") {
  LocalFixture f;
  std::set<std::uint16_t> owners;
  for (const std::uint16_t node : {1, 2, 3})
    for (const char* const painter : {"wall", "door", "roof", "gate"}) {
      owners.insert(f.fabric.owner_of(fmt::format("Painter/{}", painter)));
      CHECK(f.call(f.patron_of(node)->ask(painter)) == std::pair<std::int64_t, std::int64_t>(node, node));
    }
  CHECK(owners.size() > 1);
  CHECK(Painter::counts.made == 12);          // one of each on each node
  for (const std::uint16_t node : {1, 2, 3})  // of a client's call, the node that got it is the caller's
    CHECK(f.fabric.call(node, Ref<Painter>("wall")->where()) == node);
  CHECK(f.call(f.patron_of(2)->who()) == "wall Painter/wall");
  CHECK(f.call(f.patron_of(2)->fail()) == "no paint");
}

TEST_CASE("local: calls at one time get an instance each, up to the number, and share them beyond", "[kernel]") {
  LocalFixture f;
  const auto patron = f.patron_of(2);
  CHECK(f.call(patron->have_painted(1, 5ms)) == std::vector<std::int64_t>{1});
  CHECK(Painter::counts.made == 1);
  CHECK(f.call(patron->have_painted(2, 5ms)) == std::vector<std::int64_t>{2, 1});
  CHECK(Painter::counts.made == 2);
  CHECK(f.call(patron->have_painted(9, 5ms)).size() == 9);
  CHECK(Painter::counts.made == 3);
  const auto before = f.fabric.now();
  f.call(patron->have_painted_alone(9, 100ms));
  CHECK(Painter::counts.most == 3);
  CHECK(f.fabric.now() - before >= 300ms);
  CHECK(f.fabric.now() - before < 500ms);
  CHECK(Painter::counts.made == 3);
  CHECK(Painter::counts.gone == 0);
}

TEST_CASE("local: instances that are idle for long leave memory in order", "[kernel]") {
  LocalFixture f(1s);
  f.call(f.patron_of(1)->have_painted(3, 5ms));
  CHECK(Painter::counts.made == 3);
  f.fabric.run_for(10s);
  CHECK(Painter::counts.deactivated == 3);
  CHECK(Painter::counts.gone == 3);
  CHECK(f.fabric.kernel(1).stats().entities == 0);
  CHECK(f.call(f.patron_of(1)->have_painted(1, 5ms)) == std::vector<std::int64_t>{1});
  CHECK(Painter::counts.made == 4);
}

TEST_CASE("local: moves of the shard of its name do not concern it", "[kernel]") {
  LocalFixture f;
  const auto patron = f.patron_of(2);
  const kernel::ShardId shard = LocalFixture::shard_of("Painter/wall");
  std::vector<std::int64_t> strokes;
  const auto ended = f.fabric.start_call<std::vector<std::int64_t>>(1, patron->have_painted(3, 300ms),
                                                                    [&](auto& record) { strokes = record.take(); });
  for (int round = 0; round < 12; ++round) {
    f.fabric.move_shard(shard, static_cast<std::uint16_t>(round % 3 + 1));
    f.fabric.run_for(10ms);
    CHECK(f.call(patron->ask("wall")) == std::pair<std::int64_t, std::int64_t>(2, 2));
  }
  CHECK(f.fabric.run_until([&] { return *ended; }, 2s));
  CHECK(strokes == std::vector<std::int64_t>{1, 1, 1});
  CHECK(Painter::counts.made == 3);
  CHECK(Painter::counts.gone == 0);
}

TEST_CASE("local: a node stops at once if they are idle, and otherwise when their calls have ended", "[kernel]") {
  LocalFixture f;
  const std::uint16_t home = 3;
  const auto patron = f.patron_of(home);
  f.call(patron->have_painted(3, 5ms));
  const bool is_busy = GENERATE(false, true);
  CAPTURE(is_busy);
  std::string outcome = "none";
  if (is_busy)
    f.fabric.start_call<std::vector<std::int64_t>>(1, patron->have_painted(1, 200ms), [&](auto& record) {
      outcome = record.failure || record.thrown() ? "failed" : "returned";
    });
  f.fabric.run_for(20ms);
  const auto before = f.fabric.now();
  CHECK(f.fabric.stop(home, 5s));
  CHECK(Painter::counts.deactivated == 3);
  CHECK(f.fabric.now() - before < (is_busy ? 1s : 100ms));
  f.fabric.run_for(1s);
  CHECK(outcome == (is_busy ? "returned" : "none"));
  const auto again = f.call(f.patron_of(1)->ask("wall"));
  CHECK(again.first == again.second);
}

TEST_CASE("local: what an instance has seen of others must be durable before it is shown", "[kernel]") {
  LocalFixture f;
  const auto patron = f.patron_of(2);
  f.call(patron->pay_and_ask());
  f.fabric.hold_commits(true);
  const auto paid = f.fabric.start_call<std::int64_t>(2, patron->pay_and_ask(), {});
  f.fabric.run_for(50ms);
  const auto seen = f.fabric.start_call<std::int64_t>(2, Ref<Painter>("wall")->where(), {});
  const auto other = f.fabric.start_call<std::int64_t>(2, Ref<Painter>("door")->where(), {});
  f.fabric.run_for(50ms);
  CHECK_FALSE(*paid);
  CHECK_FALSE(*seen);
  CHECK(*other);
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *paid && *seen; }, 5s));
}

TEST_CASE("local: it sends and gets no messages, and its calls have no idempotency keys", "[kernel]") {
  LocalFixture f;
  CHECK_THAT(f.call(f.patron_of(2)->deliver_to()), Catch::Contains("Painter has no saved state"));
  CHECK_THROWS_WITH(f.call(Ref<Painter>("wall")->send(f.patron_of(2))), Catch::Contains("Painter is a local class"));
  auto record = Ref<Painter>("wall")->where().epic_take_record();
  kernel::set_key(*record, "once");
  const detail::RecordPtr<detail::ResultRecord<std::int64_t>> kept = record;
  bool is_done = false;
  f.fabric.submit(1, kernel::RecordRef(record.detach()), [&](kernel::Record&) { is_done = true; });
  CHECK(f.fabric.run_until([&] { return is_done; }, 5s));
  CHECK_THROWS_AS(kept->take(), BadArguments);
}

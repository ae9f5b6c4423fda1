// reduce(): results are folded in the order of the range, with a bounded number of calls and results in memory.

#include "epic/reduce.hpp"

#include <fmt/format.h>

#include <epic/epic.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <ranges>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

class Vertex : public Entity {
 public:
  static inline std::int64_t running = 0;
  static inline std::int64_t most = 0;
  static inline std::int64_t begun = 0;

  /// The lower its number, the longer it takes.
  Task<std::int64_t> rank(std::int64_t number, std::chrono::milliseconds takes) const {
    ++begun;
    most = std::max(most, ++running);
    co_await sleep(takes);
    --running;
    if (number == 700) throw std::runtime_error("vertex 700 has no rank");
    co_return number;
  }
  Task<double> weight() const { co_return 0.1 * static_cast<double>(std::stoll(std::string(key()))); }
  Task<double> not_listed() const { co_return 0; }
  EPIC_ENTITY(Vertex, methods(rank, weight), transient)
};

class Graph : public Entity {
  std::int64_t made_ = 0;
  std::int64_t begun_ahead_ = 0;

 public:
  /// In the order in which they were folded.
  Task<std::vector<std::int64_t>> list(std::int64_t count, std::int64_t at_once) {
    co_return co_await reduce(
        std::views::iota(std::int64_t{0}, count),
        [this](std::int64_t i) {
          ++made_;
          return Ref<Vertex>(i)->rank(i, std::chrono::milliseconds(1 + i % 7));
        },
        [this](std::vector<std::int64_t> list, std::int64_t rank) {
          begun_ahead_ = std::max(begun_ahead_, made_ - static_cast<std::int64_t>(list.size()));
          list.push_back(rank);
          return list;
        },
        std::vector<std::int64_t>(), {.at_once = static_cast<std::size_t>(at_once)});
  }
  Task<std::int64_t> sum(std::vector<Ref<Vertex>> vertices) const {
    co_return co_await reduce(
        vertices, [](const Ref<Vertex>& one) { return one->rank(1, 1ms); },
        [](std::int64_t sum, std::int64_t rank) { return sum + rank; });
  }
  /// Two calls for each, one after the other.
  Task<std::int64_t> sum_twice(std::vector<Ref<Vertex>> vertices, std::int64_t factor) {
    co_return co_await reduce(vertices,
                              [this, factor](Ref<Vertex> one) -> Task<std::int64_t> {
                                ++made_;
                                const std::int64_t rank = co_await one->rank(1, 1ms);
                                co_return rank + factor* co_await one->rank(2, 1ms);
                              },
                              std::plus<>(), std::int64_t{0}, {.at_once = 10});
  }
  Task<double> weigh(std::vector<Ref<Vertex>> vertices) const {
    co_return co_await reduce(vertices, &Vertex::weight, std::plus<>());
  }
  Task<std::string> weigh_wrongly(std::vector<Ref<Vertex>> vertices) const {
    try {
      if (vertices.size() == 1) co_await reduce(vertices, &Vertex::not_listed, std::plus<>());
      vertices.emplace_back();
      static_cast<void>(co_await reduce(vertices, &Vertex::weight, std::plus<>(), 1.0, {.at_once = 2}));
    } catch (const std::logic_error& error) {
      co_return error.what();
    }
    co_return "a weight";
  }
  /// The first call takes long, all others no time.
  Task<std::int64_t> wait_for_first(std::int64_t count) {
    const std::int64_t sum = co_await reduce(
        std::views::iota(std::int64_t{0}, count),
        [this](std::int64_t i) {
          ++made_;
          return Ref<Vertex>(i)->rank(i == 700 ? 0 : i, i == 0 ? 2000ms : 0ms);
        },
        [this](std::int64_t sum, std::int64_t) {
          begun_ahead_ = std::max(begun_ahead_, made_ - sum);
          return sum + 1;
        },
        std::int64_t{0}, {.at_once = 4});
    co_return sum;
  }
  Task<std::string> fail(std::string how, std::int64_t count) {
    try {
      co_await reduce(
          std::views::iota(std::int64_t{0}, count),
          [&](std::int64_t i) {
            if (how == "call" && i == 500) throw std::runtime_error("no call");
            return Ref<Vertex>(i)->rank(how == "result" || i != 700 ? i : 0, 1ms);
          },
          [&](std::int64_t sum, std::int64_t rank) {
            if (how == "fold" && rank == 300) throw std::runtime_error("no sum");
            return sum + rank;
          },
          std::int64_t{0}, {.at_once = 10});
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
    co_return "a sum";
  }
  Task<std::int64_t> made() const { co_return made_; }
  Task<std::int64_t> begun_ahead() const { co_return begun_ahead_; }
  EPIC_ENTITY(Graph, state(made_, begun_ahead_),
              methods(list, sum, sum_twice, weigh, weigh_wrongly, wait_for_first, fail, made, begun_ahead))
};

const ModuleInfo& graphs() {
  static const EntityInfoFn entities[] = {&Vertex::epic_info, &Graph::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct ReduceFixture {
  explicit ReduceFixture(std::uint16_t nodes) : fabric({.seed = 5, .nodes = nodes}, graphs(), codec) {
    Vertex::running = Vertex::most = Vertex::begun = 0;
    fabric.run_for(100ms);
  }
  codec::CapnpCodec codec;
  test::SimFabric fabric;
  Ref<Graph> graph{"g"};

  template <class R>
  R call(Call<R>&& call) {
    return fabric.call(1, std::move(call));
  }
};

}  // namespace

TEST_CASE("reduce: results are folded in the order of the range, each call is made when its turn has come",
          "[kernel]") {
  const std::uint16_t nodes = GENERATE(std::uint16_t{1}, std::uint16_t{3});
  CAPTURE(nodes);
  ReduceFixture f(nodes);
  const auto list = f.call(f.graph->list(600, 8));
  REQUIRE(list.size() == 600);
  for (std::int64_t i = 0; i < 600; ++i) REQUIRE(list[static_cast<std::size_t>(i)] == i);
  CHECK(Vertex::most == 8);
  CHECK(f.call(f.graph->made()) == 600);  // what the functions change is state like any
  CHECK(f.call(f.graph->begun_ahead()) <= 8 * 16);
  CHECK(f.call(f.graph->list(0, 8)).empty());
}

TEST_CASE("reduce: 256 calls are under way unless it is said how many, and the total begins with nothing", "[kernel]") {
  ReduceFixture f(3);
  std::vector<Ref<Vertex>> vertices;
  for (int i = 0; i < 1000; ++i) vertices.emplace_back(i);
  CHECK(f.call(f.graph->sum(vertices)) == 1000);
  CHECK(Vertex::most <= 256);
  CHECK(Vertex::most > 100);
  CHECK(f.call(f.graph->sum({})) == 0);
}

TEST_CASE("reduce: for an element there may be a coroutine with captures, which makes several calls", "[kernel]") {
  ReduceFixture f(3);
  std::vector<Ref<Vertex>> vertices;
  for (int i = 0; i < 500; ++i) vertices.emplace_back(i);
  CHECK(f.call(f.graph->sum_twice(vertices, 100)) == 500 * 201);
  CHECK(Vertex::begun == 1000);
  CHECK(Vertex::most <= 10);
  CHECK(f.call(f.graph->made()) == 500);
}

TEST_CASE("reduce: a method without parameters can be named, and floating point sums are the same on all fabrics",
          "[kernel]") {
  double expected = 0;
  std::vector<Ref<Vertex>> vertices;
  for (int i = 0; i < 1000; ++i) {
    vertices.emplace_back(i);
    expected += 0.1 * i;
  }
  for (const std::uint16_t nodes : {1, 3}) {
    ReduceFixture f(nodes);
    CHECK(f.call(f.graph->weigh(vertices)) == expected);  // to the bit
    CHECK_THAT(f.call(f.graph->weigh_wrongly({vertices[0]})),
               Catch::Contains("epic::reduce: the method is not one of"));
    CHECK_THAT(f.call(f.graph->weigh_wrongly({vertices[0], vertices[1]})), Catch::Contains("weight"));
  }
}

TEST_CASE("reduce: while the first call takes long, no more results gather behind it than sixteen windows",
          "[kernel]") {
  ReduceFixture f(3);
  CHECK(f.call(f.graph->wait_for_first(1000)) == 1000);
  CHECK(Vertex::begun == 1000);
  CHECK(f.call(f.graph->begun_ahead()) == 64);
}

TEST_CASE("reduce: the first error ends it, once the calls under way have ended", "[kernel]") {
  ReduceFixture f(3);
  CHECK_THAT(f.call(f.graph->fail("result", 5000)), Catch::Contains("vertex 700 has no rank"));
  CHECK(Vertex::running == 0);
  CHECK(Vertex::begun < 700 + 10 * 16 + 1);
  CHECK(f.call(f.graph->fail("call", 5000)) == "no call");
  CHECK(f.call(f.graph->fail("fold", 5000)) == "no sum");
  CHECK(Vertex::running == 0);
  CHECK(f.call(f.graph->fail("nothing", 1000)) == "a sum");
  for (const std::uint16_t node : {1, 2, 3}) CHECK(f.fabric.kernel(node).stats().calls_pending == 0);
}

// epic::spawn: what may run in the background, and calls that were made and never awaited.

#include <catch2/catch.hpp>

#include <algorithm>
#include <epic/epic.hpp>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

class Smith : public Entity {
  std::vector<std::string> made_;

  Task<> make(std::string what) {
    co_await sleep(1ms);
    made_.push_back(what);
  }
  Task<> make_like(const std::string& what) { co_await make(what); }
  Task<> make_moved(std::string&& what) { co_await make(std::move(what)); }
  Task<> make_in(std::vector<std::string>& list) {
    co_await sleep(1ms);
    list.emplace_back("nail");
  }
  Task<> look() const { co_await sleep(1ms); }

  template <class Spawn>
  std::string refusal_of(Spawn spawn_it) {
    try {
      spawn_it();
    } catch (const std::logic_error& error) {
      return error.what();
    }
    return "";
  }

 public:
  Task<std::vector<std::string>> spawn_lambdas(std::string what) {
    spawn([this, what]() -> Task<> {
      co_await sleep(1ms);
      made_.push_back(what);
    });
    spawn([this, what = what + "s"]() mutable -> Task<> {
      co_await sleep(2ms);
      what += "!";
      made_.push_back(what);
    });
    auto count = spawn([this]() -> Task<std::size_t> {
      co_await sleep(3ms);
      co_return made_.size();
    });
    what = "something else";
    made_.push_back(std::to_string(co_await count));
    co_return made_;
  }
  Task<std::vector<std::string>> spawn_tasks() {
    spawn(make("horseshoe"));
    spawn(make_in(made_));
    spawn(look());
    spawn([](Smith* smith) -> Task<> { co_await smith->make("key"); }(this));
    co_await sleep(10ms);
    co_return made_;
  }
  /// In the order of the tests below.
  Task<std::vector<std::string>> spawn_what_borrows() {
    co_return std::vector{
        refusal_of([this] { spawn([this]() -> Task<> { co_await make("nothing"); }()); }),
        refusal_of([this] { spawn(make_like(std::string("nothing"))); }),
        refusal_of([this] { spawn(make_moved(std::string("nothing"))); }),
    };
  }
  /// Awaited where they are made, they may borrow.
  Task<std::vector<std::string>> await_what_borrows() {
    co_await make_like("lock");
    co_await make_moved("bolt");
    co_await [this]() -> Task<> { co_await make("hinge"); }();
    co_await gather(make_like("gate"), [this]() -> Task<> { co_await make("grate"); }());
    co_return made_;
  }
  Task<> forget_call(Ref<Smith> other) {
    const auto call = other->rest();
    auto moved = other->rest();
    const auto last = std::move(moved);
    co_return;
  }
  Task<> use_calls(Ref<Smith> other) {
    auto call = other->spawn_tasks();
    auto moved = std::move(call);
    co_await std::move(moved);
    std::vector<Call<std::vector<std::string>>> calls;
    calls.push_back(other->spawn_tasks());
    co_await gather(std::move(calls));
    spawn(other->spawn_tasks());
  }
  Task<> throw_beside_call(Ref<Smith> other) {
    const auto call = other->await_what_borrows();
    throw std::runtime_error("it broke");
    co_return;
  }
  Task<> rest() const { co_return; }
  EPIC_ENTITY(Smith, state(made_),
              methods(spawn_lambdas, spawn_tasks, spawn_what_borrows, await_what_borrows, forget_call, use_calls,
                      throw_beside_call, rest))
};

const ModuleInfo& smiths() {
  static const EntityInfoFn entities[] = {&Smith::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct SpawnFixture {
  codec::CapnpCodec codec;
  test::SimFabric fabric{{.seed = 7}, smiths(), codec};
  Ref<Smith> smith{"a"};

  SpawnFixture() { fabric.run_for(100ms); }
  template <class R>
  R call(Call<R>&& call) {
    return fabric.call(1, std::move(call));
  }
  [[nodiscard]] std::vector<std::string> never_awaited() const {
    std::vector<std::string> lines;
    for (const test::LogLine& line : fabric.log())
      if (line.message.contains("never awaited")) lines.push_back(line.message);
    return lines;
  }
};

}  // namespace

TEST_CASE("spawn: a lambda is kept with what it has captured, until its Task has ended", "[kernel]") {
  SpawnFixture f;
  CHECK(f.call(f.smith->spawn_lambdas("nail")) == std::vector<std::string>{"nail", "nails!", "2"});
}

TEST_CASE("spawn: Tasks of methods with values or references to members, and of lambdas without captures, may run",
          "[kernel]") {
  SpawnFixture f;
  auto made = f.call(f.smith->spawn_tasks());
  std::ranges::sort(made);
  CHECK(made == std::vector<std::string>{"horseshoe", "key", "nail"});
}

TEST_CASE("spawn: a Task that may refer to temporaries is refused, with what to write instead", "[kernel]") {
  SpawnFixture f;
  const auto refusals = f.call(f.smith->spawn_what_borrows());
  REQUIRE(refusals.size() == 3);
  for (const std::string& refusal : refusals)
    CHECK_THAT(refusal, Catch::Contains("Pass the lambda itself, as in epic::spawn([this]() -> epic::Task<> { ... })"));
}

TEST_CASE("spawn: a Task that is awaited where it is made may refer to temporaries", "[kernel]") {
  SpawnFixture f;
  auto made = f.call(f.smith->await_what_borrows());
  CHECK(made == std::vector<std::string>{"lock", "bolt", "hinge", "gate", "grate"});
}

TEST_CASE("calls: one that is made and never awaited is logged, once for each method", "[kernel]") {
  SpawnFixture f;
  f.call(f.smith->forget_call(f.smith));
  const auto lines = f.never_awaited();
  REQUIRE(lines.size() == 1);
  CHECK_THAT(lines.front(), Catch::StartsWith("Smith/a.rest was made by Smith/a.forget_call and never awaited"));
}

TEST_CASE("calls: those that were awaited, gathered, spawned or lost to an exception are not", "[kernel]") {
  SpawnFixture f;
  f.call(f.smith->use_calls(f.smith));
  CHECK_THROWS_WITH(f.call(f.smith->throw_beside_call(f.smith)), Catch::Contains("it broke"));
  CHECK(f.never_awaited().empty());
}

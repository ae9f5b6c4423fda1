// epic::Event and epic::Promise: calls of one entity that wait for each other.

#include <catch2/catch.hpp>

#include <epic/epic.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/errors.hpp"
#include "kernel/placement.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace std::chrono_literals;

namespace {

class Lobby : public Entity {
  std::int64_t kept_ = 0;
  Event open_;
  Promise<std::string> winner_;
  Promise<> over_;
  std::vector<std::string> woken_;
  std::unique_ptr<Event> short_lived_ = std::make_unique<Event>();

  Task<> wait_and_keep() {
    try {
      co_await open_.wait();
    } catch (const Cancelled&) {
      ++kept_;
      throw;
    }
  }

 public:
  Task<std::vector<std::string>> wait(std::string name) {
    co_await open_.wait();
    woken_.push_back(name);
    co_return woken_;
  }
  Task<> set() {
    open_.set();
    co_return;
  }
  Task<> set_and_reset() {
    open_.set();
    open_.reset();
    co_return;
  }
  Task<bool> is_set() const { co_return open_.is_set(); }
  Task<std::string> winner() { co_return co_await winner_; }
  Task<> win(std::string name) {
    winner_.set_value(std::move(name));
    co_return;
  }
  Task<> give_up() {
    winner_.set_exception(std::make_exception_ptr(std::runtime_error("nobody won")));
    co_return;
  }
  Task<> wait_over() { co_await over_; }
  Task<> end() {
    over_.set_value();
    co_return;
  }
  Task<> wait_for_short_lived() { co_await short_lived_->wait(); }
  Task<> drop_short_lived() {
    short_lived_.reset();
    co_return;
  }
  Task<> spawn_waiter() {
    spawn(wait_and_keep());
    co_return;
  }
  Task<std::int64_t> kept() const { co_return kept_; }
  Task<std::int64_t> add_and_set() {
    open_.set();
    co_return ++kept_;
  }
  EPIC_ENTITY(Lobby, state(kept_),
              methods(wait, set, set_and_reset, is_set, winner, win, give_up, wait_over, end, wait_for_short_lived,
                      drop_short_lived, spawn_waiter, kept, add_and_set))
};

const ModuleInfo& lobbies() {
  static const EntityInfoFn entities[] = {&Lobby::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct EventFixture {
  codec::CapnpCodec codec;
  test::SimFabric fabric{{.seed = 3, .call_timeout = 5s}, lobbies(), codec};
  Ref<Lobby> lobby{"0"};

  EventFixture() {
    fabric.run_for(100ms);
    for (int i = 1; fabric.owner_of("Lobby/" + std::string(lobby.key())) != 1; ++i) lobby = Ref<Lobby>(i);
  }
  template <class R>
  R call(Call<R>&& call) {
    return fabric.call(2, std::move(call));
  }
};

}  // namespace

TEST_CASE("event: all that wait go on, in their order, and later ones do not wait", "[kernel]") {
  EventFixture f;
  std::vector<std::string> last;
  std::size_t ended = 0;
  for (const char* name : {"a", "b", "c"})
    static_cast<void>(f.fabric.start_call<std::vector<std::string>>(2, f.lobby->wait(name), [&](auto& record) {
      last = record.take();
      ++ended;
    }));
  f.fabric.run_for(100ms);
  CHECK(ended == 0);
  f.call(f.lobby->set());
  f.fabric.run_for(20ms);
  CHECK(ended == 3);
  CHECK(last == std::vector<std::string>{"a", "b", "c"});
  CHECK(f.call(f.lobby->wait("d")).size() == 4);
  CHECK(f.call(f.lobby->is_set()));
}

TEST_CASE("event: a reset in the same turn does not hold back those that were woken", "[kernel]") {
  EventFixture f;
  const auto ended = f.fabric.start_call<std::vector<std::string>>(2, f.lobby->wait("a"), nullptr);
  f.fabric.run_for(20ms);
  f.call(f.lobby->set_and_reset());
  f.fabric.run_for(20ms);
  CHECK(*ended);
  CHECK_FALSE(f.call(f.lobby->is_set()));
}

TEST_CASE("event: a call that waits has its deadline, and `epic calls` says what it does", "[kernel]") {
  EventFixture f;
  ErrorPart error;
  const auto ended = f.fabric.start_call<std::vector<std::string>>(
      2, f.lobby->wait("a"), [&](auto& record) { error = describe_failure(record.failure); });
  f.fabric.run_for(100ms);
  const std::vector<CallView> views = f.fabric.kernel(1).calls("Lobby/" + std::string(f.lobby.key()));
  REQUIRE(views.size() == 1);
  CHECK(views[0].state == "waiting for an event");
  f.fabric.run_for(5s);
  CHECK(*ended);
  CHECK(error.code == ErrorCode::timeout);
  f.call(f.lobby->set());  // the frame has gone on, and nothing waits any longer
  CHECK(f.call(f.lobby->wait("b")).size() == 2);
}

TEST_CASE("promise: every waiter gets a copy of the value, or the exception", "[kernel]") {
  EventFixture f;
  std::vector<std::string> winners;
  for (int i = 0; i < 2; ++i)
    static_cast<void>(f.fabric.start_call<std::string>(2, f.lobby->winner(),
                                                       [&](auto& record) { winners.push_back(record.take()); }));
  const auto over = f.fabric.start_call<void>(2, f.lobby->wait_over(), nullptr);
  f.fabric.run_for(20ms);
  f.call(f.lobby->win("Bob"));
  CHECK(f.call(f.lobby->winner()) == "Bob");
  CHECK(winners == std::vector<std::string>{"Bob", "Bob"});
  CHECK_THROWS_WITH(f.call(f.lobby->win("Eve")), Catch::Contains("it has a result already"));
  CHECK_FALSE(*over);
  f.call(f.lobby->end());
  f.fabric.run_for(20ms);
  CHECK(*over);
  const Ref<Lobby> other("other");
  f.call(other->give_up());
  CHECK_THROWS_WITH(f.call(other->winner()), Catch::Contains("nobody won"));
}

TEST_CASE("event: those that wait for one that goes away get an error", "[kernel]") {
  EventFixture f;
  std::string error;
  static_cast<void>(f.fabric.start_call<void>(2, f.lobby->wait_for_short_lived(),
                                              [&](auto& record) { error = describe_failure(record.failure).message; }));
  f.fabric.run_for(20ms);
  f.call(f.lobby->drop_short_lived());
  f.fabric.run_for(20ms);
  CHECK_THAT(error, Catch::Contains("has gone"));
}

TEST_CASE("event: a task that waits holds up no move, and sees Cancelled", "[kernel]") {
  EventFixture f;
  f.call(f.lobby->spawn_waiter());
  f.fabric.move_shard(ungrouped(16).shard_of("Lobby", f.lobby.key()), 3);
  const auto has_moved = [&] { return f.fabric.owner_of("Lobby/" + std::string(f.lobby.key())) == 3; };
  CHECK(f.fabric.run_until(has_moved, 100ms));
  CHECK(f.call(f.lobby->kept()) == 1);
}

TEST_CASE("event: what a waiter returns waits for the change that it has seen", "[kernel]") {
  EventFixture f;
  f.call(f.lobby->kept());
  const auto ended = f.fabric.start_call<std::vector<std::string>>(2, f.lobby->wait("a"), nullptr);
  f.fabric.run_for(20ms);
  f.fabric.hold_commits(true);
  const auto added = f.fabric.start_call<std::int64_t>(2, f.lobby->add_and_set(), nullptr);
  f.fabric.run_for(100ms);
  CHECK_FALSE(*added);
  CHECK_FALSE(*ended);
  f.fabric.hold_commits(false);
  f.fabric.run_for(100ms);
  CHECK(*added);
  CHECK(*ended);
}

TEST_CASE("event: an entity is destroyed with calls that wait in it", "[kernel]") {
  EventFixture f;
  static_cast<void>(f.fabric.start_call<void>(2, f.lobby->wait_over(), nullptr));
  static_cast<void>(f.fabric.start_call<std::string>(2, f.lobby->winner(), nullptr));
  f.fabric.run_for(20ms);
  f.fabric.kernel(1).abort_running("it is over");
  CHECK(f.fabric.stop(1, 1s));
}

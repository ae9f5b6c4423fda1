// Spawned::cancel(): on one node and across nodes, before and after the code has begun.

#include "kernel/calls/cancellations.hpp"

#include <epic/epic.hpp>

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace std::chrono_literals;

namespace {

constexpr int kLaps = 10'000;

class Worker : public Entity {
  std::int64_t begun_ = 0;
  std::int64_t cancelled_ = 0;
  std::int64_t ended_ = 0;
  std::string why_;
  std::int64_t laps_ = 0;
  Event never_;

  struct Note {
    Worker& worker;
    ~Note() { ++worker.ended_; }
  };

 public:
  /// Works on what `how` says, and on each kind of waiting.
  Task<> work(std::string how, Ref<Worker> other) {
    const Note note{*this};
    ++begun_;
    try {
      if (how == "sleep") co_await epic::sleep(1h);
      if (how == "event") co_await never_.wait();
      if (how == "stopping") co_await stopping();
      if (how == "call") co_await other->work("sleep", {});
      if (how == "gather") co_await gather(other->work("sleep", {}), other->work("event", {}));
      if (how == "task") {
        auto task = spawn(doze());
        co_await task;
      }
      if (how == "busy") {
        for (int i = 0; i < kLaps; ++i) co_await epic::sleep(100us);
      }
      if (how == "saved") {
        for (laps_ = 0; laps_ < kLaps; ++laps_) co_await saved();
      }
      if (how == "short calls") {
        for (int i = 0; i < kLaps; ++i) co_await other->begun();
      }
      if (how == "spawned calls") {
        for (int i = 0; i < kLaps; ++i) {
          auto call = spawn(other->begun());
          co_await call;
        }
      }
    } catch (const Cancelled& error) {
      ++cancelled_;
      why_ = error.what();
    }
    co_await epic::sleep(5ms);  // what goes on after it may wait
  }
  Task<> doze() { co_await epic::sleep(1h); }
  Task<> work_alone(std::string how) { co_await work(std::move(how), {}); }
  Task<std::int64_t> begun() const { co_return begun_; }
  Task<std::int64_t> cancelled() const { co_return cancelled_; }
  Task<std::int64_t> ended() const { co_return ended_; }
  Task<std::string> why() const { co_return why_; }
  EPIC_ENTITY(Worker, state(begun_, cancelled_, ended_, why_, laps_), methods(work, doze, begun, cancelled, ended, why),
              exclusive(work_alone))
};

class Boss : public Entity {
  std::optional<Spawned<void>> started_;
  std::optional<Spawned<void>> task_;
  bool is_unwound_ = false;

  Task<> own_task() {
    try {
      co_await epic::sleep(1h);
    } catch (const Cancelled&) {
      is_unwound_ = true;
      throw;
    }
  }

 public:
  Task<> start(std::string how, Ref<Worker> worker, Ref<Worker> other) {
    started_.emplace(spawn(worker->work(how, other)));
    co_return;
  }
  Task<> start_alone(Ref<Worker> worker) {
    started_.emplace(spawn(worker->work_alone("sleep")));
    co_return;
  }
  Task<> cancel() {
    started_->cancel();
    started_->cancel();  // again: nothing
    co_return;
  }
  Task<std::string> outcome() {
    try {
      co_await *started_;
    } catch (const Cancelled& error) {
      co_return error.what();
    }
    co_return "it ended";
  }
  /// Before the call has left the turn.
  Task<std::string> cancel_at_once(Ref<Worker> worker) {
    auto call = spawn(worker->work("sleep", {}));
    call.cancel();
    started_.emplace(std::move(call));
    co_return co_await outcome();
  }
  Task<bool> cancel_own_task() {
    task_.emplace(spawn(own_task()));
    co_await epic::sleep(1ms);
    task_->cancel();
    try {
      co_await *task_;
    } catch (const Cancelled&) {
    }
    co_await epic::sleep(20ms);
    co_return is_unwound_;
  }
  EPIC_ENTITY(Boss, transient, methods(start, start_alone, cancel, outcome, cancel_at_once, cancel_own_task))
};

const ModuleInfo& company() {
  static const EntityInfoFn entities[] = {&Worker::epic_info, &Boss::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

constexpr auto kFound = 50ms;  // by a look on each of two nodes

struct CancellationsFixture {
  codec::CapnpCodec codec;
  test::SimFabric fabric{{.seed = 11}, company(), codec};
  Ref<Boss> boss = find<Boss>("Boss", 1);

  CancellationsFixture() { fabric.run_for(100ms); }
  template <class T>
  Ref<T> find(const std::string& type, std::uint16_t node, int first = 0) {
    fabric.run_for(100ms);
    for (int i = first;; ++i)
      if (const Ref<T> ref(i); fabric.owner_of(type + "/" + std::string(ref.key())) == node) return ref;
  }
  Ref<Worker> worker_on(std::uint16_t node, int first = 0) { return find<Worker>("Worker", node, first); }
  template <class R>
  R call(Call<R>&& call) {
    return fabric.call(1, std::move(call));
  }
};

}  // namespace

TEST_CASE("cancellations: running code gets Cancelled where it waits, on its own node and on another", "[kernel]") {
  for (const std::uint16_t node : {1, 2})
    for (const std::string how :
         {"sleep", "event", "stopping", "call", "gather", "task", "busy", "saved", "short calls", "spawned calls"}) {
      CAPTURE(node, how);
      CancellationsFixture f;
      const Ref<Worker> worker = f.worker_on(node);
      const Ref<Worker> other = f.worker_on(3);
      f.call(f.boss->start(how, worker, other));
      f.fabric.run_for(kFound);
      CHECK(f.call(worker->begun()) == 1);
      f.call(f.boss->cancel());
      const std::string outcome = f.call(f.boss->outcome());
      CHECK_THAT(outcome, Catch::StartsWith("Worker/" + std::string(worker.key()) + ".work was cancelled by Boss/"));
      CHECK_THAT(outcome, Catch::EndsWith("it may have taken effect"));
      f.fabric.run_for(kFound);
      CHECK(f.call(worker->cancelled()) == 1);
      CHECK(f.call(worker->ended()) == 1);
      CHECK_THAT(f.call(worker->why()), Catch::Contains(" was cancelled "));
      if (how == "call" || how == "gather") {
        f.fabric.run_for(kFound);
        CHECK(f.call(other->cancelled()) == (how == "call" ? 1 : 2));
        CHECK(f.call(other->ended()) == f.call(other->begun()));
      }
    }
}

TEST_CASE("cancellations: what has not begun never does", "[kernel]") {
  for (const std::uint16_t node : {1, 2}) {
    CAPTURE(node);
    CancellationsFixture f;
    const Ref<Worker> worker = f.worker_on(node);
    CHECK_THAT(f.call(f.boss->cancel_at_once(worker)), Catch::Contains("was cancelled by Boss/"));
    f.fabric.run_for(kFound);
    CHECK(f.call(worker->begun()) == (node == 1 ? 0 : f.call(worker->cancelled())));  // sent at once, it may begin

    const Ref<Boss> first = f.boss;
    const Ref<Boss> second = f.find<Boss>("Boss", 1, std::stoi(std::string(f.boss.key())) + 1);
    const Ref<Worker> locked = f.worker_on(node, std::stoi(std::string(worker.key())) + 1);
    f.call(first->start_alone(locked));
    f.call(second->start_alone(locked));
    f.fabric.run_for(kFound);
    CHECK(f.call(locked->begun()) == 1);
    f.call(second->cancel());
    CHECK_THAT(f.call(second->outcome()), Catch::Contains("work_alone was cancelled by Boss/"));
    f.fabric.run_for(kFound);
    f.call(first->cancel());
    f.fabric.run_for(kFound);
    CHECK(f.call(locked->begun()) == 1);
    CHECK(f.call(locked->ended()) == 1);
  }
}

TEST_CASE("cancellations: code keeps its lock until it has unwound", "[kernel]") {
  CancellationsFixture f;
  const Ref<Worker> worker = f.worker_on(2);
  f.call(f.boss->start_alone(worker));
  f.fabric.run_for(kFound);
  const auto next = f.fabric.start_call<void>(3, worker->work_alone("nothing"), nullptr);
  f.fabric.run_for(kFound);
  CHECK(f.call(worker->begun()) == 1);
  f.call(f.boss->cancel());
  f.fabric.run_for(kFound);
  CHECK(*next);
  CHECK(f.call(worker->begun()) == 2);
  CHECK(f.call(worker->ended()) == 2);
}

TEST_CASE("cancellations: one that has ended is left as it is", "[kernel]") {
  CancellationsFixture f;
  const Ref<Worker> worker = f.worker_on(2);
  f.call(f.boss->start("nothing", worker, worker));
  f.fabric.run_for(kFound);
  f.call(f.boss->cancel());
  CHECK(f.call(f.boss->outcome()) == "it ended");
  CHECK(f.call(worker->cancelled()) == 0);
}

TEST_CASE("cancellations: an entity cancels a task of its own", "[kernel]") {
  CancellationsFixture f;
  CHECK(f.call(f.boss->cancel_own_task()));
}

TEST_CASE("cancellations: nothing is left of them afterwards", "[kernel]") {
  CancellationsFixture f;
  const Ref<Worker> worker = f.worker_on(2);
  for (int i = 0; i < 200; ++i) {
    f.call(f.boss->start("sleep", worker, worker));
    f.call(f.boss->cancel());
  }
  f.fabric.run_for(1s);
  CHECK(f.call(worker->ended()) == f.call(worker->begun()));
  for (const std::uint16_t node : {1, 2, 3}) CHECK(f.fabric.kernel(node).stats().calls_pending == 0);
}

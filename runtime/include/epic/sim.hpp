#pragma once
// sim: a whole fabric of your entities in a test program, under faults that a seed decides.
//
//   EPIC_SCENARIO("bank: no money is made or lost", {.nodes = 3}) {
//     std::vector<epic::Task<>> tellers;
//     for (int i = 0; i < 5; ++i) tellers.push_back(transfer_at_random(fabric, i));
//     co_await fabric.all(std::move(tellers));                  // calls, while nodes crash and links break
//     co_await fabric.settle();                                 // no more faults; everything is back
//     int sum = 0;
//     for (int i = 0; i < 10; ++i) sum += co_await fabric.call(epic::Ref<Account>(i)->get_balance());
//     fabric.require(sum == 1000, "the sum is {}, not 1000", sum);
//   }
//
// The supervisor, the nodes with their saving and locks, the protocol and the clients are the production code; only
// time, network, disk and processes are simulated. One thread runs it all, so equal seeds give equal runs, to the byte.
// `epic simulate` runs a scenario over many seeds, and replays and shortens one that fails; `epic test` runs a few.
//
// A scenario may use neither clocks, threads nor random numbers of its own, only the fabric's; nor may the entities.
// Each seed runs in a process of its own, so that global variables start anew.
//
// Not here: one entity alone (epic/script.hpp), one node without faults (epic/testing.hpp).

#include <fmt/core.h>

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "epic/call_options.hpp"
#include "epic/epic.hpp"

/// What EPIC_MODULE defines.
extern "C" const epic::ModuleInfo* epic_module();

namespace epic::sim {

/// How often each kind of fault occurs, beside the others; 0: never. Acknowledged changes survive all of them. A call
/// under way when a node dies may end with NodeLost, or with Timeout; with `moves` and `clocks` alone no call fails.
struct Faults {
  std::uint32_t crashes = 8;     // one node, or two at once
  std::uint32_t pauses = 4;      // a node stands still, now and then until the others take it for dead
  std::uint32_t network = 10;    // links cut, broken or slow, between nodes and to clients
  std::uint32_t disk = 4;        // full, or a failed write
  std::uint32_t clocks = 2;      // a node's wall clock jumps
  std::uint32_t moves = 3;       // nodes drained, restarted
  std::uint32_t power = 2;       // all machines off: what was not synced is gone
  std::uint32_t supervisor = 1;  // it dies, and its nodes with it

  [[nodiscard]] static constexpr Faults none() { return {0, 0, 0, 0, 0, 0, 0, 0}; }
};

struct ScenarioOptions {
  std::uint16_t nodes = 3;
  std::uint16_t clients = 2;
  /// Simulated time between two faults, on average.
  std::chrono::nanoseconds fault_every = std::chrono::seconds(2);
  Faults faults = {};
  /// For calls without their own deadline.
  std::chrono::nanoseconds call_timeout = std::chrono::seconds(30);
  /// A scenario that takes longer, in simulated time, has failed.
  std::chrono::nanoseconds time_limit = std::chrono::minutes(10);
};

/// A requirement was not met. Let it pass through the scenario.
class Violation : public std::runtime_error {
 public:
  Violation(const std::string& what, std::string where, std::string entity)
      : std::runtime_error(what), where_(std::move(where)), entity_(std::move(entity)) {}
  [[nodiscard]] const std::string& where() const { return where_; }    // "tests/bank_test.cpp:41"
  [[nodiscard]] const std::string& entity() const { return entity_; }  // "Account/3"; empty: none in particular

 private:
  std::string where_;
  std::string entity_;
};

/// A condition, and where it stands.
struct Condition {
  template <std::convertible_to<bool> Value>
  Condition(Value&& value, std::source_location the_place = std::source_location::current())  // NOLINT: meant
      : holds(static_cast<bool>(value)), place(the_place) {}
  bool holds;
  std::source_location place;
};

class Fabric;

namespace detail {

/// A coroutine of the scenario that waits for an event; null once it has gone.
struct Sleeper {
  std::coroutine_handle<> handle;
};

/// `co_await fabric.call(…)`.
template <class R>
class CallAwaiter {
 public:
  using EpicAwaitable = void;

  CallAwaiter(Fabric& fabric, std::uint16_t client, Call<R>&& call, ClientCallOptions options)
      : fabric_(fabric), client_(client), options_(std::move(options)), record_(std::move(call).epic_take_record()) {}
  CallAwaiter(const CallAwaiter&) = delete;
  CallAwaiter& operator=(const CallAwaiter&) = delete;
  ~CallAwaiter() { sleeper_->handle = {}; }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiting);
  R await_resume() { return record_->take(); }

 private:
  Fabric& fabric_;
  std::uint16_t client_;
  ClientCallOptions options_;
  epic::detail::RecordPtr<epic::detail::ResultRecord<R>> record_;
  std::shared_ptr<Sleeper> sleeper_ = std::make_shared<Sleeper>();
};

class SleepAwaiter {
 public:
  using EpicAwaitable = void;

  SleepAwaiter(Fabric& fabric, std::chrono::nanoseconds duration) : fabric_(fabric), duration_(duration) {}
  SleepAwaiter(const SleepAwaiter&) = delete;
  SleepAwaiter& operator=(const SleepAwaiter&) = delete;
  ~SleepAwaiter() { sleeper_->handle = {}; }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiting);
  void await_resume() const noexcept {}

 private:
  Fabric& fabric_;
  std::chrono::nanoseconds duration_;
  std::shared_ptr<Sleeper> sleeper_ = std::make_shared<Sleeper>();
};

}  // namespace detail

/// What a scenario sees. On the thread of the scenario; references to it are valid until the scenario has ended.
class Fabric {
 public:
  struct Run;  // not for users
  explicit Fabric(Run& run) : run_(run) {}
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  template <class T>
  [[nodiscard]] Ref<T> get(std::string_view key) const {
    return Ref<T>(key);
  }
  template <class T>
  [[nodiscard]] Ref<T> get(std::integral auto key) const {
    return Ref<T>(key);
  }

  /// To be awaited: makes the call as a client outside the fabric. Returns the result, or throws what the call ends
  /// with. `client`: 0 … clients - 1; each is a program of its own, and its calls to one entity start in order.
  /// `options`: as of epic::Client.
  template <class R>
  [[nodiscard]] detail::CallAwaiter<R> call(Call<R> call, std::uint16_t client = 0, ClientCallOptions options = {}) {
    return {*this, client, std::move(call), std::move(options)};
  }
  /// Repeats a call until it succeeds: `co_await fabric.insist([&] { return account->get_balance(); })`. For calls that
  /// may be made twice, or with an idempotency key. One that still fails 60 s (simulated) after the faults have ended
  /// is a violation.
  template <class Make>
  [[nodiscard]] auto insist(Make make, ClientCallOptions options = {})
      -> Task<typename std::invoke_result_t<Make&>::value_type>;

  /// To be awaited.
  [[nodiscard]] detail::SleepAwaiter sleep(std::chrono::nanoseconds duration) { return {*this, duration}; }
  /// Runs all of them at once, until all have ended; then throws what the first that failed has thrown.
  [[nodiscard]] Task<> all(std::vector<Task<>> tasks);
  /// Ends the faults, and waits until every node is back.
  [[nodiscard]] Task<> settle();

  /// A file of the project's (epic/files.hpp), as the entities find it; no fault of the disk concerns these two.
  void put_file(const std::string& path, std::string content);
  /// Empty: there is none.
  [[nodiscard]] std::optional<std::string> find_file(const std::string& path) const;

  /// Since the scenario began, simulated.
  [[nodiscard]] std::chrono::nanoseconds now() const;
  /// 0 … below - 1, decided by the seed.
  [[nodiscard]] std::uint64_t draw(std::uint64_t below);
  [[nodiscard]] std::uint64_t seed() const;

  /// Throws a Violation unless the condition holds.
  template <class... Args>
  void require(Condition condition, fmt::format_string<Args...> text, Args&&... args) {
    if (!condition.holds) fail(condition.place, {}, fmt::format(text, std::forward<Args>(args)...));
  }
  /// The same about one entity, whose history is then shown.
  template <class T, class... Args>
  void require(const Ref<T>& entity, Condition condition, fmt::format_string<Args...> text, Args&&... args) {
    if (!condition.holds) fail(condition.place, entity.name(), fmt::format(text, std::forward<Args>(args)...));
  }
  /// `check` runs after each call of the scenario, and throws a Violation (by require()) when something does not hold.
  void invariant(std::function<void()> check);

 private:
  template <class R>
  friend class detail::CallAwaiter;
  friend class detail::SleepAwaiter;

  using Record = epic::detail::RecordPtr<epic::detail::CallRecord>;
  void start(std::uint16_t client, Record record, const ClientCallOptions& options,
             std::shared_ptr<detail::Sleeper> sleeper);
  void wake_after(std::chrono::nanoseconds duration, std::shared_ptr<detail::Sleeper> sleeper);
  [[noreturn]] void fail(const std::source_location& place, std::string_view entity, const std::string& what);
  /// Throws a Violation if it is too late to try again.
  void check_time_left(std::chrono::nanoseconds begun, const std::exception& why);

  Run& run_;
};

// ---- templates ----

template <class R>
void detail::CallAwaiter<R>::await_suspend(std::coroutine_handle<> awaiting) {
  sleeper_->handle = awaiting;
  fabric_.start(client_, epic::detail::RecordPtr<epic::detail::CallRecord>::share(*record_), options_, sleeper_);
}

inline void detail::SleepAwaiter::await_suspend(std::coroutine_handle<> awaiting) {
  sleeper_->handle = awaiting;
  fabric_.wake_after(duration_, sleeper_);
}

template <class Make>
auto Fabric::insist(Make make, ClientCallOptions options) -> Task<typename std::invoke_result_t<Make&>::value_type> {
  const std::chrono::nanoseconds begun = now();
  while (true) {
    try {
      co_return co_await call(make(), 0, options);
    } catch (const Error& error) {
      check_time_left(begun, error);
    }
    co_await sleep(std::chrono::milliseconds(20));
  }
}

namespace detail {

/// One scenario: what EPIC_SCENARIO defines.
struct Scenario {
  std::string_view name;
  ScenarioOptions options;
  Task<> (*body)(Fabric& fabric);
  const ModuleInfo* module;
};

/// Runs it over a few seeds, and returns what went wrong, for people; empty: nothing. Under `epic simulate` it runs as
/// the environment says (cluster/sim/scenario_run.cpp), and reports there.
std::string run_scenario(const Scenario& scenario);

}  // namespace detail
}  // namespace epic::sim

#define EPIC_SIM_JOIN_(a, b) a##b
#define EPIC_SIM_NAME_(line) EPIC_SIM_JOIN_(epic_scenario_, line)

/// EPIC_SCENARIO("name", {.nodes = 3, …}) { body } defines a test case of Catch2 (include <catch2/catch.hpp> before
/// it). The body is a coroutine with a parameter `fabric`, an epic::sim::Fabric&.
#define EPIC_SCENARIO(name, ...)                                                                   \
  static epic::Task<> EPIC_SIM_NAME_(__LINE__)(epic::sim::Fabric & fabric);                        \
  TEST_CASE(name, "[scenario]") {                                                                  \
    const std::string failure = epic::sim::detail::run_scenario(                                   \
        {name, epic::sim::ScenarioOptions __VA_ARGS__, &EPIC_SIM_NAME_(__LINE__), epic_module()}); \
    if (!failure.empty()) FAIL(failure);                                                           \
  }                                                                                                \
  static epic::Task<> EPIC_SIM_NAME_(__LINE__)([[maybe_unused]] epic::sim::Fabric & fabric)

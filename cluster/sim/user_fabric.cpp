#include "cluster/sim/user_fabric.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "cluster/sim/cluster.hpp"
#include "cluster/sim/fault_mix.hpp"
#include "cluster/sim/faults.hpp"
#include "codec/described_json.hpp"
#include "codec/json_codec.hpp"
#include "kernel/record.hpp"
#include "protocol/control_entities.hpp"
#include "protocol/json.hpp"

extern "C" {
__attribute__((noinline)) void epic_simulation_failed() { asm volatile(""); }  // a call that is not optimised away
}

namespace epic::cluster::sim {
namespace {

using namespace std::chrono_literals;
using epic::sim::Faults;
using epic::sim::ScenarioOptions;

constexpr auto kBackWithin = 60s;
/// A call ends at its deadline, but timers may be late.
constexpr auto kDeadlineMargin = 1s;
constexpr auto kEventsWithin = 5s;
constexpr std::size_t kHistoryMax = 100'000;  // entries in memory
constexpr std::size_t kHistoryShown = 200;
constexpr std::size_t kLogShown = 20;
constexpr std::size_t kValueShown = 200;  // bytes of a call's arguments or result

FaultMix mix_of(const Faults& faults) {
  FaultMix mix{.crash = faults.crashes * 3 / 4,
               .crash_two = faults.crashes - faults.crashes * 3 / 4,
               .pause = faults.pauses - faults.pauses / 2,
               .cut = faults.network * 3 / 10,
               .cut_client = faults.network / 5,
               .break_streams = faults.network / 10,
               .slow_network = 0,
               .full_disk = faults.disk / 4,
               .failed_write = faults.disk / 2,
               .clock_jump = faults.clocks,
               .crash_supervisor = faults.supervisor,
               .orphan_nodes = 0,
               .cut_power = faults.power,
               .drain = faults.moves - faults.moves / 3 * 2,
               .restart_rolling = faults.moves / 3,
               .slow_pair = faults.network / 10,
               .half_open = faults.network / 10,
               .reconnect_storm = faults.network / 10,
               .slow_disk = 0,
               .death_in_write = 0,
               .long_turn = faults.pauses / 2,
               .scale = faults.moves / 3,
               .restart_at_once = 0,
               .rejected_module = 0,
               .crash_leaving = 0,
               .failed_open = 0,
               .standstill = 0,
               .resharding = 0};
  mix.slow_network = faults.network - mix.cut - mix.cut_client - mix.break_streams - mix.slow_pair - mix.half_open -
                     mix.reconnect_storm;
  mix.slow_disk = faults.disk - mix.full_disk - mix.failed_write;
  return mix;
}

std::string shorten(std::string text) {
  if (text.size() <= kValueShown) return text;
  return text.substr(0, kValueShown) + "…";
}

/// Account/3.withdraw(5), without the brackets of a list.
std::string call_text(const kernel::Record& record) {
  const std::string_view entity = record.callee ? std::string_view(record.callee->text) : std::string_view();
  if (record.method == nullptr) return std::string(entity);
  std::string arguments;
  try {
    arguments = protocol::print_json(
        codec::to_json(record.method->arguments(), const_cast<kernel::Record&>(record).arguments()));
  } catch (const std::exception&) {  // nested too deep
    arguments = "[…]";
  }
  if (arguments.size() >= 2) arguments = arguments.substr(1, arguments.size() - 2);
  return fmt::format("{}.{}({})", entity, record.method->name, shorten(std::move(arguments)));
}

std::string outcome_text(kernel::Record& record) {
  const std::exception_ptr thrown = record.failure ? record.failure : record.thrown();
  if (thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const Error& error) {
      return fmt::format("{}: {}", to_string(error.code()), error.what());
    } catch (const std::exception& error) {
      return fmt::format("throws: {}", error.what());
    } catch (...) {
      return "throws something that is no std::exception";
    }
  }
  const void* const result = record.result();
  if (result == nullptr) return "done";
  try {
    return "= " + shorten(protocol::print_json(codec::to_json(record.method->result(), result)));
  } catch (const std::exception&) {
    return "= …";
  }
}

/// A task of the scenario that runs beside others. Pinned: the coroutine refers to it.
class Flow {
 public:
  Flow(Task<> task, std::function<void()> on_end) : on_end_(std::move(on_end)), frame_(run(std::move(task)).handle) {}
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;
  ~Flow() { frame_.destroy(); }

  void start() { frame_.resume(); }
  [[nodiscard]] bool has_ended() const { return has_ended_; }
  [[nodiscard]] const std::exception_ptr& error() const { return error_; }

 private:
  struct Frame {
    struct promise_type {
      Frame get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_always initial_suspend() noexcept { return {}; }
      std::suspend_always final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      void unhandled_exception() noexcept { std::terminate(); }
    };
    std::coroutine_handle<> handle;
  };

  Frame run(Task<> task) {
    try {
      co_await task;
    } catch (...) {
      error_ = std::current_exception();
    }
    has_ended_ = true;
    on_end_();
  }

  std::function<void()> on_end_;
  std::exception_ptr error_;
  bool has_ended_ = false;
  std::coroutine_handle<> frame_;
};

/// Waits until all flows have ended.
struct AllEnded {
  using EpicAwaitable = void;
  std::size_t& running;
  std::coroutine_handle<>& waiting;
  [[nodiscard]] bool await_ready() const noexcept { return running == 0; }
  void await_suspend(std::coroutine_handle<> awaiting) const noexcept { waiting = awaiting; }
  void await_resume() const noexcept {}
};

}  // namespace
}  // namespace epic::cluster::sim

namespace epic::sim {

namespace simulated = cluster::sim;

/// The run of one seed.
struct Fabric::Run {
  Run(const detail::Scenario& the_scenario, const simulated::SeedOrder& the_order)
      : scenario(the_scenario),
        order(the_order),
        cluster({.seed = seed(),
                 .nodes = scenario.options.nodes,
                 .fabric = {.call_deadline = scenario.options.call_timeout},
                 .restart = {.delay_first = std::chrono::milliseconds(10),
                             .delay_max = std::chrono::milliseconds(500),
                             .forget_after = std::chrono::seconds(2)},
                 .call_timeout = scenario.options.call_timeout},
                *scenario.module),
        faults(cluster, scenario.options.nodes, scenario.options.clients),
        fabric(*this) {}

  simulated::SeedReport run();

  void strike_later(std::size_t number);
  void fail(std::string what, std::string where, std::string entity);
  void note(std::string text, std::string_view entity);
  void start(std::uint16_t client, Record record, std::shared_ptr<detail::Sleeper> sleeper);
  void on_call_end(kernel::Record& record, std::string text, std::int64_t begun_ns);
  void wake(const std::shared_ptr<detail::Sleeper>& sleeper, std::chrono::nanoseconds delay);
  [[nodiscard]] bool are_all_nodes_back();
  void show_history();
  void show_events();
  [[nodiscard]] std::uint64_t seed() const { return static_cast<std::uint64_t>(order.seed); }
  [[nodiscard]] std::int64_t elapsed_ns() { return cluster.world().now_ns() - begun_ns; }

  struct Entry {
    std::string text;
    std::string entity;  // empty: concerns all
  };

  const detail::Scenario& scenario;
  const simulated::SeedOrder& order;
  simulated::Cluster cluster;
  simulated::Faults faults;
  std::vector<simulated::SimClient*> clients;
  std::vector<simulated::Fault> schedule;
  bool are_faults_over = false;
  std::int64_t begun_ns = 0;
  std::int64_t faults_ended_ns = 0;
  std::deque<Entry> history;
  std::multimap<std::int64_t, std::string> waiting;  // calls, by when they began
  std::function<void()> invariant;
  bool has_failed = false;
  simulated::SeedReport report;
  Fabric fabric;
};

simulated::SeedReport Fabric::Run::run() {
  report.seed = order.seed;
  simulated::World& world = cluster.world();
  cluster.start();
  for (std::uint16_t i = 0; i < scenario.options.clients; ++i) clients.push_back(&cluster.add_client());
  if (!world.run_until([this] { return are_all_nodes_back(); }, simulated::kBackWithin))
    fail("the fabric did not become ready", {}, {});
  begun_ns = world.now_ns();
  {
    simulated::Flow flow(scenario.body(fabric), [] {});
    strike_later(0);
    world.after(std::chrono::nanoseconds(1), 0, simulated::fingerprint_of("scenario"), [&flow] { flow.start(); });
    const bool is_over = world.run_until([&] { return flow.has_ended() || has_failed; }, scenario.options.time_limit);
    if (!is_over && !has_failed)
      fail(waiting.empty() ? "the scenario did not end within its time limit"
                           : "the scenario did not end within its time limit; it waits for " + waiting.begin()->second,
           {}, {});
    if (flow.error() && !has_failed) {
      try {
        std::rethrow_exception(flow.error());
      } catch (const std::exception& error) {
        fail(fmt::format("the scenario ended with an exception: {}", error.what()), {}, {});
      } catch (...) {
        fail("the scenario threw something that is no std::exception", {}, {});
      }
    }
    are_faults_over = true;
  }
  if (has_failed) show_history();
  report.digest = fmt::format("{:016x}", world.digest());
  report.events = static_cast<std::int64_t>(world.event_count());
  report.simulated_ms = elapsed_ns() / 1'000'000;
  return std::move(report);
}

// ---- faults ----

void Fabric::Run::strike_later(std::size_t number) {
  if (schedule.empty())
    schedule = simulated::draw_schedule(
        seed(), simulated::mix_of(scenario.options.faults),
        {.duration = scenario.options.time_limit, .every = scenario.options.fault_every, .count_min = 0});
  const auto is_chosen = [this](std::size_t i) {
    return !order.faults || std::ranges::find(*order.faults, static_cast<std::int64_t>(i)) != order.faults->end();
  };
  while (number < schedule.size() && !is_chosen(number)) ++number;
  if (number == schedule.size()) return;
  const std::int64_t at_ns = begun_ns + schedule[number].at.count();
  const std::chrono::nanoseconds delay(std::max<std::int64_t>(1, at_ns - cluster.world().now_ns()));
  cluster.world().after(delay, 0, simulated::fingerprint_of("fault", number), [this, number] {
    if (are_faults_over) return;
    report.faults.push_back({.number = static_cast<std::int64_t>(number),
                             .at_ms = elapsed_ns() / 1'000'000,
                             .what = faults.strike(schedule[number]).what});
    note(fmt::format("fault {}: {}", number, report.faults.back().what), {});
    if (order.on_fault) order.on_fault(report.faults.back());
    strike_later(number + 1);
  });
}

bool Fabric::Run::are_all_nodes_back() {
  if (!cluster.is_ready()) return false;
  for (std::uint16_t number = 1; number <= scenario.options.nodes; ++number) {
    simulated::SimNode* const node = cluster.find_node(number);
    if (node == nullptr || node->core() == nullptr || node->is_paused()) return false;
  }
  return true;
}

Task<> Fabric::settle() {
  if (!std::exchange(run_.are_faults_over, true)) {
    run_.faults.end();
    run_.faults_ended_ns = run_.cluster.world().now_ns();
    run_.note("the faults end", {});
  }
  while (!run_.are_all_nodes_back()) {
    if (run_.cluster.world().now_ns() - run_.faults_ended_ns > std::chrono::nanoseconds(simulated::kBackWithin).count())
      fail(std::source_location(), {}, "not every node is back 60 s after the last fault");
    co_await sleep(std::chrono::milliseconds(10));
  }
}

// ---- calls ----

void Fabric::Run::start(std::uint16_t client, Record record, std::shared_ptr<detail::Sleeper> sleeper) {
  if (client >= clients.size())
    return fail(fmt::format("client {} does not exist: the scenario has {}", client, clients.size()), {}, {});
  ++report.calls;
  const std::int64_t call_begun_ns = cluster.world().now_ns();
  std::string text = fmt::format("client {}: {}", client, simulated::call_text(*record));
  note(text, record->callee ? std::string_view(record->callee->text) : std::string_view());
  waiting.emplace(call_begun_ns, text);
  simulated::SimClient& caller = *clients[client];
  cluster.world().enter(caller.process_id(), [&] {
    caller.submit(std::move(record),
                  [this, sleeper = std::move(sleeper), text = std::move(text), call_begun_ns](kernel::RecordRef ended) {
                    on_call_end(*ended, text, call_begun_ns);
                    wake(sleeper, std::chrono::nanoseconds(1));
                  });
  });
}

void Fabric::Run::on_call_end(kernel::Record& record, std::string text, std::int64_t call_begun_ns) {
  const auto [first, last] = waiting.equal_range(call_begun_ns);
  if (const auto found = std::find_if(first, last, [&](const auto& entry) { return entry.second == text; });
      found != last)
    waiting.erase(found);
  const std::chrono::nanoseconds took(cluster.world().now_ns() - call_begun_ns);
  const std::string entity = record.callee ? std::string(record.callee->text) : std::string();
  note(fmt::format("{} {} after {} ms", text, simulated::outcome_text(record), took / std::chrono::milliseconds(1)),
       entity);
  const std::chrono::nanoseconds deadline =
      record.timeout_ns > 0 ? std::chrono::nanoseconds(record.timeout_ns) : scenario.options.call_timeout;
  if (took > deadline + simulated::kDeadlineMargin)
    fail(fmt::format("{} ended after {} ms, though its deadline is {} ms", text, took / std::chrono::milliseconds(1),
                     deadline / std::chrono::milliseconds(1)),
         {}, entity);
  if (!invariant || has_failed) return;
  try {
    invariant();
  } catch (const Violation&) {  // noted by fail()
  } catch (const std::exception& error) {
    fail(fmt::format("the invariant threw an exception: {}", error.what()), {}, {});
  }
}

void Fabric::Run::wake(const std::shared_ptr<detail::Sleeper>& sleeper, std::chrono::nanoseconds delay) {
  cluster.world().after(std::max(delay, std::chrono::nanoseconds(1)), 0, simulated::fingerprint_of("scenario"),
                        [sleeper] {
                          if (sleeper->handle) std::exchange(sleeper->handle, {}).resume();
                        });
}

Task<> Fabric::all(std::vector<Task<>> tasks) {
  std::size_t running = tasks.size();
  std::coroutine_handle<> waiting;
  std::deque<simulated::Flow> flows;
  std::exception_ptr first_error;
  for (Task<>& task : tasks) {
    flows.emplace_back(std::move(task), [&, number = flows.size()] {
      if (!first_error) first_error = flows[number].error();
      // In an event of its own, since what ends here is still on the stack.
      if (--running == 0 && waiting)
        run_.wake(std::make_shared<detail::Sleeper>(detail::Sleeper{waiting}), std::chrono::nanoseconds(1));
    });
  }
  for (simulated::Flow& flow : flows) flow.start();
  co_await simulated::AllEnded{running, waiting};
  if (first_error) std::rethrow_exception(first_error);
}

// ---- failures ----

void Fabric::Run::note(std::string text, std::string_view entity) {
  if (history.size() == simulated::kHistoryMax) history.pop_front();
  history.push_back({fmt::format("{:.3f} s  {}", static_cast<double>(elapsed_ns()) / 1e9, text), std::string(entity)});
}

void Fabric::Run::fail(std::string what, std::string where, std::string entity) {
  if (std::exchange(has_failed, true)) return;
  report.failure = std::move(what);
  report.where = std::move(where);
  report.entity = std::move(entity);
  epic_simulation_failed();
}

/// The newest entries that concern the entity; all entries, if it is about none in particular.
void Fabric::Run::show_history() {
  std::vector<std::string>& shown = report.history;
  for (auto entry = history.rbegin(); entry != history.rend() && shown.size() < simulated::kHistoryShown; ++entry)
    if (report.entity.empty() || entry->entity.empty() || entry->entity == report.entity) shown.push_back(entry->text);
  std::ranges::reverse(shown);
  if (!report.entity.empty()) show_events();
  const std::vector<std::string> log = cluster.log();
  for (std::size_t i = log.size() - std::min(log.size(), simulated::kLogShown); i < log.size(); ++i)
    if (report.entity.empty() || log[i].contains(report.entity)) shown.push_back("log: " + log[i]);
}

/// What the nodes that are still there know of the entity, as `epic events` shows it.
void Fabric::Run::show_events() {
  using protocol::control::Events;
  const auto has_ended = std::make_shared<bool>(false);
  cluster.request("events",
                  codec::describe_text(Events::Request{.entity = report.entity, .limit = simulated::kLogShown}),
                  [this, has_ended](bool, const std::vector<std::string>& bodies) {
                    *has_ended = true;
                    for (const std::string& body : bodies) {
                      const auto event = codec::read_described_text<Events::Answer>(body);
                      if (!event || event->what.empty()) continue;
                      report.history.push_back(fmt::format("event: {} {}{}{}", event->node, event->what,
                                                           event->why ? ": " : "", event->why.value_or("")));
                    }
                  });
  cluster.world().run_until([&] { return *has_ended; }, simulated::kEventsWithin);
}

void Fabric::fail(const std::source_location& place, std::string_view entity, const std::string& what) {
  const std::string where = place.line() == 0 ? std::string() : fmt::format("{}:{}", place.file_name(), place.line());
  run_.fail(what, where, std::string(entity));
  throw Violation(what, where, std::string(entity));
}

void Fabric::check_time_left(std::chrono::nanoseconds begun, const std::exception& why) {
  const std::int64_t ended_ns = std::max(run_.begun_ns + begun.count(), run_.faults_ended_ns);
  if (run_.are_faults_over &&
      run_.cluster.world().now_ns() - ended_ns > std::chrono::nanoseconds(simulated::kBackWithin).count())
    fail(std::source_location(), {}, fmt::format("a call still fails 60 s after the last fault: {}", why.what()));
}

// ---- what scenarios see ----

void Fabric::start(std::uint16_t client, Record record, const ClientCallOptions& options,
                   std::shared_ptr<detail::Sleeper> sleeper) {
  kernel::use_options(*record, options);
  run_.start(client, std::move(record), std::move(sleeper));
}
void Fabric::wake_after(std::chrono::nanoseconds duration, std::shared_ptr<detail::Sleeper> sleeper) {
  run_.wake(sleeper, duration);
}
void Fabric::put_file(const std::string& path, std::string content) {
  run_.cluster.disk().files().put(path, std::move(content));
}
std::optional<std::string> Fabric::find_file(const std::string& path) const {
  return run_.cluster.disk().files().find(path);
}
std::chrono::nanoseconds Fabric::now() const { return std::chrono::nanoseconds(run_.elapsed_ns()); }
std::uint64_t Fabric::draw(std::uint64_t below) { return run_.cluster.world().draw(below); }
std::uint64_t Fabric::seed() const { return run_.seed(); }
void Fabric::invariant(std::function<void()> check) { run_.invariant = std::move(check); }

}  // namespace epic::sim

namespace epic::cluster::sim {

SeedReport run_seed(const epic::sim::detail::Scenario& scenario, const SeedOrder& order) {
  return epic::sim::Fabric::Run(scenario, order).run();
}

}  // namespace epic::cluster::sim

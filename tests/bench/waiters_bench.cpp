// What calls that wait for one entity's lock cost all others: 1,000, 20,000 and 60,000 waiters on an exclusive entity
// of one node in this process, by the thread's CPU clock. The table shows the rate of that entity, and how long calls
// to other entities take meanwhile. The yardstick is the row with few waiters: a row with more should not look
// different.

#include <fmt/format.h>
#include <time.h>
#include <epic/epic.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench_support.hpp"
#include "codec/capnp_codec.hpp"
#include "kernel/kernel.hpp"
#include "kernel/placement.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

std::uint64_t passed = 0;   // calls that have had the lock
std::uint64_t gave_up = 0;  // callers whose wait has ended without it

class Gate : public Entity {
 public:
  Task<void> pass() {
    ++passed;
    co_return;
  }
  Task<void> pass_slowly() {
    co_await epic::sleep(1ms);
    ++passed;
  }
  Task<void> hold(std::chrono::nanoseconds duration) { co_await epic::sleep(duration); }
  EPIC_ENTITY(Gate, methods(pass, pass_slowly, hold), exclusive, transient)
};

class Other : public Entity {
 public:
  Task<void> touch() { co_return; }
  EPIC_ENTITY(Other, methods(touch), transient)
};

/// One waiter, or many.
class Caller : public Entity {
 public:
  Task<void> pass_forever(bool is_slow) {
    const Ref<Gate> gate("gate");
    for (const auto patient = gate.with(1h); true;)
      is_slow ? co_await patient->pass_slowly() : co_await patient->pass();
  }
  Task<void> try_once(std::chrono::nanoseconds timeout) {
    const Ref<Gate> gate("gate");
    try {
      timeout.count() == 0 ? co_await gate->pass() : co_await gate.with(timeout)->pass();
    } catch (const Timeout&) {
      ++gave_up;
    }
  }
  Task<void> crowd(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) epic::spawn(try_once(1h));
    co_await epic::sleep(1h);
  }
  EPIC_ENTITY(Caller, methods(pass_forever, try_once, crowd), transient)
};

/// The thread's own time: the loop below never sleeps, and what other processes do to it must not count.
std::int64_t monotonic_ns() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return spent.tv_sec * 1'000'000'000 + spent.tv_nsec;
}

/// A node's execution thread without network and store: ticks as the real driver's.
class Loop final : public kernel::Syscalls {
 public:
  static constexpr kernel::PeerAddress kSelf{kernel::NodeId{1}, 11};
  static constexpr std::int64_t kEveryNs = 1'000'000;  // one call to another entity

  Loop(const ModuleInfo& module, std::chrono::nanoseconds call_timeout)
      : kernel_(
            {.self = kSelf, .fabric = "bench", .placement = kernel::ungrouped(kShards), .call_timeout = call_timeout},
            codec_, *this) {
    if (const auto added = kernel_.add_module(module); !added) fmt::print(stderr, "{}\n", added.error());
    tick();
    publish(NoShard);
    for (int i = 0; i < 3; ++i) tick();
  }
  void send(const kernel::PeerAddress&, kernel::Message) override {}
  [[nodiscard]] bool has_room(const kernel::PeerAddress&) const override { return true; }
  void load(kernel::ActivationId, std::string_view, std::string_view) override {}
  void load_mail(const kernel::ShardEpoch&, std::uint64_t) override {}
  void load_answer(const kernel::ShardEpoch&, const kernel::AnswerId&) override {}
  void load_oldest_answer(const kernel::ShardEpoch&) override {}
  void load_reminders(const kernel::ShardEpoch&, const kernel::ReminderPlace&, std::size_t) override {}
  void commit(kernel::Batch) override {}
  void take(std::vector<kernel::ShardId> shards) override {
    for (const kernel::ShardId shard : shards) taken_.push_back({shard, kernel::Epoch{1}});
  }
  void released(kernel::ShardId) override {}
  void start_blocking(std::shared_ptr<epic::detail::BlockingWork>) override {}
  void log(kernel::LogLevel, std::string_view, std::string_view) override {}

  template <class R>
  void submit(Call<R>&& call, std::function<void()> on_end = [] {}) {
    kernel_.submit(kernel::RecordRef(std::move(call).epic_take_record().detach()), 1h,
                   [on_end = std::move(on_end)](kernel::Record&) { on_end(); });
  }
  /// Ticks for so long, or until `is_done`; calls another entity each millisecond and keeps how long that took.
  void run(std::chrono::nanoseconds duration, const std::function<bool()>& is_done = [] { return false; }) {
    const std::int64_t end_ns = monotonic_ns() + duration.count();
    while (monotonic_ns() < end_ns && !is_done()) {
      for (; next_ns_ <= monotonic_ns(); next_ns_ += kEveryNs)
        submit(Ref<Other>(next_ns_ % 16)->touch(), [this, planned_ns = next_ns_] {
          latencies_.push_back(static_cast<double>(monotonic_ns() - planned_ns));
        });
      tick();
    }
  }
  /// The node loses the shard of this entity, whose instance is discarded.
  void lose(std::string_view entity) { publish(static_cast<int>(kernel::ungrouped(kShards).shard_of(entity).value)); }
  void begin_measuring() {
    latencies_.clear();
    next_ns_ = monotonic_ns();
  }
  [[nodiscard]] const std::vector<double>& latencies() const { return latencies_; }
  [[nodiscard]] std::size_t calls() const { return kernel_.stats().calls_pending; }

 private:
  static constexpr std::uint32_t kShards = 64;
  static constexpr int NoShard = -1;

  void publish(int lost) {
    kernel::ShardMap map{.version = version_ = version_.next(),
                         .owners = std::vector(kShards, kSelf.node),
                         .members = {{kSelf.node, kernel::Incarnation{kSelf.life}, ""}},
                         .moving = {},
                         .owned_since = {}};
    if (lost != NoShard) map.owners[static_cast<std::size_t>(lost)] = kernel::NodeId{2};
    kernel_.on_shard_map(std::move(map));
  }
  void tick() {
    const std::int64_t now_ns = monotonic_ns();
    kernel_.on_time(now_ns, now_ns);
    if (!taken_.empty()) kernel_.on_taken(std::exchange(taken_, {}));
    for (int i = 0; i < 256 && kernel_.run(1); ++i) {
    }
    kernel_.seal();
  }

  codec::CapnpCodec codec_;
  kernel::Kernel kernel_;
  kernel::MapVersion version_{};
  std::vector<kernel::ShardEpoch> taken_;
  std::vector<double> latencies_;
  std::int64_t next_ns_ = monotonic_ns();  // the next call to another entity
};

struct Result {
  std::uint64_t waiters;
  std::string rate;
  std::vector<double> latencies;
  double seconds;
};

std::vector<std::string> row_of(const std::string& title, const Result& result) {
  return {fmt::format("{}, {} waiters", title, result.waiters),
          result.rate,
          bench::format_duration(bench::percentile(result.latencies, 0.5)),
          bench::format_duration(bench::percentile(result.latencies, 0.99)),
          bench::format_duration(bench::percentile(result.latencies, 1.0)),
          fmt::format("{:.2f} s", result.seconds)};
}

/// Measures what `work` does to other calls. It returns how often the lock was passed on, or waits ended.
Result measure(Loop& loop, std::uint64_t waiters, const std::function<std::uint64_t()>& work) {
  loop.begin_measuring();
  const std::int64_t begin_ns = monotonic_ns();
  const std::uint64_t count = work();
  const double seconds = static_cast<double>(monotonic_ns() - begin_ns) * 1e-9;
  return {waiters, fmt::format("{:.0f}/s", static_cast<double>(count) / seconds), loop.latencies(), seconds};
}

std::string key_of(std::uint64_t i) { return fmt::format("c{}", i); }

Result pass(const ModuleInfo& module, std::uint64_t waiters, bool is_slow) {
  Loop loop(module, 1h);
  for (std::uint64_t i = 0; i < waiters; ++i) loop.submit(Ref<Caller>(key_of(i))->pass_forever(is_slow));
  loop.run(200ms);
  return measure(loop, waiters, [&] {
    passed = 0;
    loop.run(1s);
    return passed;
  });
}

/// All waits end without the lock: at one time, by the default deadline, or each at its own.
Result give_up(const ModuleInfo& module, std::uint64_t waiters, bool is_own_deadline) {
  Loop loop(module, 1s);
  loop.submit(Ref<Gate>("gate").with(1h)->hold(1h));
  gave_up = 0;
  for (std::uint64_t i = 0; i < waiters; ++i)
    loop.submit(Ref<Caller>(key_of(i))->try_once(is_own_deadline ? 500ms + 10us * (i * 7919 % waiters) : 0ns));
  loop.run(200ms);
  return measure(loop, waiters, [&] {
    loop.run(1min, [&] { return gave_up == waiters; });
    return gave_up;
  });
}

/// The callers' instance goes away while they wait.
Result discard(const ModuleInfo& module, std::uint64_t waiters) {
  Loop loop(module, 1h);
  loop.submit(Ref<Gate>("gate").with(1h)->hold(1h));
  loop.submit(Ref<Caller>("crowd")->crowd(waiters));
  loop.run(500ms);
  return measure(loop, waiters, [&] {
    loop.run(100ms);
    loop.lose("Caller/crowd");
    loop.run(400ms);
    return waiters;
  });
}

}  // namespace

int main(int count, char** arguments) {
  bench::print_warnings();
  static const EntityInfoFn entities[] = {&Gate::epic_info, &Other::epic_info, &Caller::epic_info};
  const ModuleInfo module{EPIC_ABI_TAG, entities, &no_setup};
  const std::string_view only = count > 1 ? arguments[1] : "";
  const std::vector<std::uint64_t> sizes = count > 2 ? std::vector<std::uint64_t>{std::stoull(arguments[2])}
                                                     : std::vector<std::uint64_t>{1000, 20000, 60000};
  std::vector<std::vector<std::string>> rows{
      {"calls to other entities", "passes or ends", "median", "p99", "slowest", "measured for"}};
  const auto run = [&](std::string_view name, const std::string& title, const auto& scenario) {
    if (!only.empty() && only != name) return;
    for (const std::uint64_t waiters : sizes) rows.push_back(row_of(title, scenario(waiters)));
  };
  run("pass", "a method without a wait", [&](std::uint64_t waiters) { return pass(module, waiters, false); });
  run("slow", "a method that sleeps for 1 ms", [&](std::uint64_t waiters) { return pass(module, waiters, true); });
  run("deadline", "all deadlines at once", [&](std::uint64_t waiters) { return give_up(module, waiters, false); });
  run("own", "deadlines of their own", [&](std::uint64_t waiters) { return give_up(module, waiters, true); });
  run("discard", "callers that go away", [&](std::uint64_t waiters) { return discard(module, waiters); });
  bench::print_table(rows);
  return 0;
}

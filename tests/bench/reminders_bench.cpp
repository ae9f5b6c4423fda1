// Reminders on four nodes: whether each fires once and in time while processes are killed, beside a thread that sleeps
// until the same times; and what reminders that are far from due cost the nodes, beside a store without any.

#include <fmt/format.h>
#include <poll.h>

#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/many_calls.hpp"
#include "bench/modules/fabric_entities.hpp"
#include "bench/stopped_store.hpp"
#include "io/clock.hpp"

using namespace epic::bench;
using namespace std::chrono_literals;
using bench_module::Alarm;
using epic::Client;

namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kPeriodNs = 60 * kNsPerSecond;      // in which all reminders are due
constexpr std::int64_t kLeadNs = 20 * kNsPerSecond;        // to write them and to start the fabric
constexpr std::int64_t kLeftOutNs = 2 * kNsPerSecond;      // after each kill
constexpr std::int64_t kNodeKillNs = 20 * kNsPerSecond;    // from the first due time
constexpr std::int64_t kFabricKillNs = 40 * kNsPerSecond;  // … of the supervisor, whose nodes die with it

/// Stops the fabric. One of its alarms is set, as a pattern.
epic::storage::Reminder stop_with_pattern(BenchFabric& fabric) {
  {
    const Client client = fabric.connect();
    client.call(client.get<Alarm>(0)->set(1h));
  }
  fabric.stop();
  return StoppedStore(fabric.store()).get_reminder();
}

void wait_until_wall(std::int64_t wall_ns) {
  for (std::int64_t left = wall_ns - epic::io::wall_ns(); left > 0; left = wall_ns - epic::io::wall_ns()) {
    const timespec time{.tv_sec = left / kNsPerSecond, .tv_nsec = left % kNsPerSecond};
    ::ppoll(nullptr, 0, &time, nullptr);
  }
}

struct Firing {
  std::vector<std::int64_t> kills_ns = {};
  std::vector<double> yardstick_late_ns = {};  // of this thread
};

/// Kills a node, and later the supervisor, which it starts again; sleeps until 100 times a second otherwise.
Firing fire(BenchFabric& fabric, std::int64_t begin_ns) {
  Firing firing;
  std::vector<std::pair<std::int64_t, std::function<void()>>> kills;
  kills.emplace_back(begin_ns + kFabricKillNs, [&fabric] {
    fabric.kill();
    fabric.start();
  });
  kills.emplace_back(begin_ns + kNodeKillNs, [&fabric] { fabric.kill_node("node-2"); });
  for (std::int64_t at_ns = begin_ns; at_ns < begin_ns + kPeriodNs; at_ns += kNsPerSecond / 100) {
    if (!kills.empty() && kills.back().first <= at_ns) {
      firing.kills_ns.push_back(epic::io::wall_ns());
      kills.back().second();
      kills.pop_back();
    }
    if (epic::io::wall_ns() >= at_ns) continue;  // it was busy killing
    wait_until_wall(at_ns);
    firing.yardstick_late_ns.push_back(static_cast<double>(epic::io::wall_ns() - at_ns));
  }
  return firing;
}

/// Returns when nothing is left, or gives up after a minute.
Unfinished wait_until_finished(const BenchFabric& fabric) {
  Unfinished left;
  for (int look = 0; look < 300; ++look) {
    left = count_unfinished(fabric.store());
    if (left.reminders + left.mail == 0) break;
    ::poll(nullptr, 0, 200);
  }
  return left;
}

struct Rung {
  std::int64_t once = 0;
  std::int64_t again = 0;
  std::int64_t never = 0;
  std::vector<double> late_ns = {};
  std::vector<double> left_out_ns = {};  // late, too: of those that were due or rang soon after a kill
};

Rung read_back(const Client& client, std::int64_t count, const std::function<std::int64_t(std::int64_t)>& due_ns_of,
               const std::vector<std::int64_t>& kills_ns) {
  const auto is_left_out = [&](std::int64_t time_ns) {
    for (const std::int64_t kill_ns : kills_ns)
      if (time_ns >= kill_ns && time_ns < kill_ns + kLeftOutNs) return true;
    return false;
  };
  Rung rung;
  call_all<std::vector<std::int64_t>>(
      client, count, 64, [&](std::int64_t key) { return client.get<Alarm>(key)->look(); },
      [&](std::int64_t key, epic::CallResult<std::vector<std::int64_t>> result) {
        const std::vector<std::int64_t> look = result.get();
        const std::int64_t due_ns = due_ns_of(key);
        ++(look[0] == 0 ? rung.never : look[0] == 1 ? rung.once : rung.again);
        if (look[0] == 0) return;
        (is_left_out(due_ns) || is_left_out(look[1]) ? rung.left_out_ns : rung.late_ns)
            .push_back(static_cast<double>(look[1] - due_ns));
      });
  return rung;
}

std::vector<std::string> row_of(const std::string& name, const std::vector<double>& late_ns) {
  return {name, fmt::format("{}", late_ns.size()), format_duration(percentile(late_ns, 0.5)),
          format_duration(percentile(late_ns, 0.99)), format_duration(percentile(late_ns, 1.0))};
}

void measure_firing(std::int64_t count) {
  BenchFabric fabric(4);
  const epic::storage::Reminder pattern = stop_with_pattern(fabric);
  const std::int64_t begin_ns = epic::io::wall_ns() + kLeadNs;
  const auto due_ns_of = [&](std::int64_t key) {
    return begin_ns + static_cast<std::int64_t>(static_cast<double>(key) / static_cast<double>(count) * kPeriodNs);
  };
  StoppedStore(fabric.store()).add_reminders(pattern, count, due_ns_of);
  fabric.start();
  if (epic::io::wall_ns() > begin_ns) throw std::runtime_error("the fabric took too long to start: raise kLeadNs");
  const Firing firing = fire(fabric, begin_ns);
  const Unfinished left = wait_until_finished(fabric);
  const Rung rung = read_back(fabric.connect(), count, due_ns_of, firing.kills_ns);

  const auto ratio = [&](double share) {
    return fmt::format("{:.2f}", percentile(rung.late_ns, share) / percentile(firing.yardstick_late_ns, share));
  };
  print_table({{fmt::format("{} reminders in 60 s, four nodes, kill -9 of one and of the supervisor", count), "count",
                "late p50", "p99", "most"},
               row_of("reminders, without the 2 s after each kill", rung.late_ns),
               row_of("a thread that sleeps until then", firing.yardstick_late_ns),
               {"ratio", "", ratio(0.5), ratio(0.99), ratio(1.0)},
               row_of("reminders in the 2 s after each kill", rung.left_out_ns)});
  print_table({{"fired", "once", "again", "never", "still stored", "mail", "dead letters"},
               {"reminders", fmt::format("{}", rung.once), fmt::format("{}", rung.again), fmt::format("{}", rung.never),
                fmt::format("{}", left.reminders), fmt::format("{}", left.mail), fmt::format("{}", left.dead)}});
}

/// What a fabric costs that is started again and again.
struct Starts {
  std::vector<double> times_ns = {};
  std::vector<double> resident_mib = {};

  void add(BenchFabric& fabric) {
    const std::int64_t begin_ns = epic::io::monotonic_ns();
    fabric.start();
    times_ns.push_back(static_cast<double>(epic::io::monotonic_ns() - begin_ns));
    ::poll(nullptr, 0, 500);  // until the nodes have read what they hold in memory
    resident_mib.push_back(static_cast<double>(fabric.count_resident_bytes()) / (1 << 20));
    fabric.stop();
  }
};

void measure_pending(std::int64_t count) {
  constexpr int kRounds = 5;
  BenchFabric without(4);
  without.stop();
  BenchFabric with(4);
  const epic::storage::Reminder pattern = stop_with_pattern(with);
  const std::int64_t begin_ns = epic::io::wall_ns() + std::chrono::nanoseconds(24h).count();
  StoppedStore(with.store()).add_reminders(pattern, count, [&](std::int64_t key) {
    return begin_ns + key * 1'000'000;
  });
  with.start();  // not counted
  with.stop();
  Starts starts_without;
  Starts starts_with;
  for (int round = 0; round < kRounds; ++round) {
    if (round % 2 == 0) starts_with.add(with);
    starts_without.add(without);
    if (round % 2 != 0) starts_with.add(with);
  }
  const double time = percentile(starts_with.times_ns, 0.5);
  const double bare_time = percentile(starts_without.times_ns, 0.5);
  const double memory = percentile(starts_with.resident_mib, 0.5);
  const double bare_memory = percentile(starts_without.resident_mib, 0.5);
  const auto mib = [](double value) { return fmt::format("{:.1f} MiB", value); };
  print_table(
      {{fmt::format("{} pending reminders, four nodes, {} starts", count, kRounds), "from start to ready", "slowest",
        "nodes' memory", "most"},
       {"with them", format_duration(time), format_duration(percentile(starts_with.times_ns, 1.0)), mib(memory),
        mib(percentile(starts_with.resident_mib, 1.0))},
       {"without any", format_duration(bare_time), format_duration(percentile(starts_without.times_ns, 1.0)),
        mib(bare_memory), mib(percentile(starts_without.resident_mib, 1.0))},
       {"difference", fmt::format("{:.1f} ms", (time - bare_time) / 1e6), "", mib(memory - bare_memory), ""},
       {"ratio", fmt::format("{:.2f}", time / bare_time), "", fmt::format("{:.2f}", memory / bare_memory), ""}});
}

}  // namespace

/// Both, or the one named by the first argument; the second is the number of reminders.
int main(int argc, char** argv) {
  const std::string_view only = argc > 1 ? argv[1] : "";
  const std::int64_t count = argc > 2 ? std::atoll(argv[2]) : 0;
  print_warnings();
  if (only.empty() || only == "fire") measure_firing(count > 0 ? count : 100'000);
  if (only.empty() || only == "pending") measure_pending(count > 0 ? count : 1'000'000);
}

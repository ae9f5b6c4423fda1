// A thousand matches of ten players that tick at 20 Hz on four nodes: half by a timer, half by the best loop that an
// entity can write by hand, which sleeps until the next point of its grid, each match on a grid of its own. And how
// long it takes to stop such a fabric, to drain a node and to replace all nodes, against one without matches.

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/many_calls.hpp"
#include "bench/modules/fabric_entities.hpp"

using namespace epic::bench;
using bench_module::Match;
using bench_module::Team;
using epic::Client;

namespace {

constexpr std::int64_t kMatches = 1'000;
constexpr std::int64_t kTicksPerSecond = 20;
constexpr std::int64_t kInputsPerSecond = 100;  // of each match
constexpr int kPlayers = 10;
constexpr std::chrono::milliseconds kPause(1'000 * kPlayers / kInputsPerSecond);

epic::Ref<Match> match_of(const Client& client, std::int64_t number) {
  return client.get<Match>(fmt::format("{}-{}", number % 2 == 0 ? "timer" : "loop", number));
}

/// The teams play from now on. What has left memory with its node plays again.
void play_all(const Client& client) {
  call_all<void>(
      client, kMatches, kMatches,
      [&](std::int64_t number) { return client.get<Team>(number)->play(match_of(client, number), kPause); },
      [](std::int64_t, const epic::CallResult<void>&) {});  // the node of some may be going
}

struct Ticks {
  std::vector<double> late_ns = {};
  std::int64_t skipped = 0;
  std::int64_t inputs = 0;
};

void print_ticks(const Ticks& timer, const Ticks& loop, std::int64_t seconds) {
  const auto row_of = [&](const std::string& name, const Ticks& ticks) {
    return std::vector<std::string>{name,
                                    fmt::format("{}", ticks.late_ns.size()),
                                    fmt::format("{}", ticks.skipped),
                                    fmt::format("{}", ticks.inputs / seconds),
                                    format_duration(percentile(ticks.late_ns, 0.5)),
                                    format_duration(percentile(ticks.late_ns, 0.99)),
                                    format_duration(percentile(ticks.late_ns, 1.0))};
  };
  const auto ratio = [&](double share) {
    return fmt::format("{:.2f}", percentile(timer.late_ns, share) / percentile(loop.late_ns, share));
  };
  print_table({{fmt::format("{} matches at {} Hz, four nodes, {} s", kMatches, kTicksPerSecond, seconds), "ticks",
                "skipped", "inputs/s", "late p50", "p99", "most"},
               row_of("epic::every", timer),
               row_of("a loop by hand", loop),
               {"ratio", "", "", "", ratio(0.5), ratio(0.99), ratio(1.0)}});
}

void compare_ticks(std::int64_t seconds) {
  const BenchFabric fabric(4);
  fabric.wait_until_level();
  const Client client = fabric.connect();
  play_all(client);
  ::poll(nullptr, 0, 2'000);  // until all are under way
  call_all<void>(client, kMatches, kMatches,
                 [&](std::int64_t number) { return match_of(client, number)->start(std::chrono::seconds(seconds)); });
  ::poll(nullptr, 0, static_cast<int>(seconds) * 1'000);
  std::array<Ticks, 2> sides;  // timer, loop
  call_all<std::vector<std::int64_t>>(
      client, kMatches, kMatches, [&](std::int64_t number) { return match_of(client, number)->stop(); },
      [&](std::int64_t number, epic::CallResult<std::vector<std::int64_t>> result) {
        auto& late_ns = sides[static_cast<std::size_t>(number % 2)].late_ns;
        for (const std::int64_t late : result.get()) late_ns.push_back(static_cast<double>(late));
      });
  for (std::int64_t number = 0; number < kMatches; ++number) {
    Ticks& side = sides[static_cast<std::size_t>(number % 2)];
    side.skipped += client.call(match_of(client, number)->skipped());
    side.inputs += client.call(match_of(client, number)->inputs());
  }
  print_ticks(sides[0], sides[1], seconds);
}

/// Keeps all teams playing.
class Games {
 public:
  explicit Games(const Client& client)
      : thread_([this, client] {
          while (!is_over_) {
            play_all(client);
            ::poll(nullptr, 0, 500);
          }
        }) {}
  Games(const Games&) = delete;
  Games& operator=(const Games&) = delete;
  ~Games() {
    is_over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

double time_of(const std::function<void()>& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

struct Ends {
  double drain_ns = 0;
  double restart_ns = 0;
  double stop_ns = 0;
};

Ends drain_and_restart(const BenchFabric& fabric) {
  Ends ends;
  ::poll(nullptr, 0, 2'000);  // until all are under way
  ends.drain_ns = time_of([&] { fabric.drain_node("node-2"); });
  fabric.scale(4);
  fabric.wait_until_level();
  ::poll(nullptr, 0, 2'000);
  ends.restart_ns = time_of([&] { fabric.restart_rolling(); });
  fabric.wait_until_level();
  ::poll(nullptr, 0, 2'000);
  return ends;
}

Ends measure_ends_without_matches() {
  BenchFabric fabric(4);
  fabric.wait_until_level();
  Ends ends = drain_and_restart(fabric);
  ends.stop_ns = time_of([&] { fabric.stop(); });
  return ends;
}

Ends measure_ends_with_matches() {
  BenchFabric fabric(4);
  fabric.wait_until_level();
  const Client client = fabric.connect();
  Ends ends;
  {
    const Games games(client);
    ends = drain_and_restart(fabric);
  }
  ends.stop_ns = time_of([&] { fabric.stop(); });  // the teams still play
  return ends;
}

void compare_ends() {
  constexpr int kRounds = 3;
  std::vector<Ends> with;
  std::vector<Ends> without;
  for (int round = 0; round < kRounds; ++round) {
    without.push_back(measure_ends_without_matches());
    with.push_back(measure_ends_with_matches());
  }
  const auto row_of = [&](const std::string& name, double Ends::* time) {
    const auto times_of = [time](const std::vector<Ends>& rounds) {
      std::vector<double> times;
      for (const Ends& ends : rounds) times.push_back(ends.*time);
      return times;
    };
    const double busy = percentile(times_of(with), 0.5);
    const double idle = percentile(times_of(without), 0.5);
    return std::vector<std::string>{name, format_duration(busy), format_duration(percentile(times_of(with), 1.0)),
                                    format_duration(idle), fmt::format("{:.2f}", busy / idle)};
  };
  print_table({{fmt::format("four nodes, {} matches with their players, {} rounds", kMatches, kRounds), "median",
                "most", "without matches", "ratio"},
               row_of("drain of a node", &Ends::drain_ns),
               row_of("rolling restart", &Ends::restart_ns),
               row_of("stop", &Ends::stop_ns)});
}

}  // namespace

/// Both, or the one named by the first argument (`ticks`, `ends`); the second is how many seconds the ticks are
/// measured.
int main(int argc, char** argv) {
  const std::string_view only = argc > 1 ? argv[1] : "";
  const std::int64_t seconds = argc > 2 ? std::atoll(argv[2]) : 60;
  print_warnings();
  if (only.empty() || only == "ticks") compare_ticks(seconds);
  if (only.empty() || only == "ends") compare_ends();
}

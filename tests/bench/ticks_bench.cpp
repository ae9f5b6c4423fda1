// Matches that tick at 20 Hz on four nodes while their players send them inputs: a timer against the best loop that an
// entity can write by hand, which sleeps until the next point of its grid, each match on a grid of its own.

#include <fmt/format.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/modules/fabric_entities.hpp"

using namespace epic::bench;
using bench_module::Match;
using bench_module::Team;
using epic::Client;

namespace {

constexpr std::int64_t kMatches = 1'000;
constexpr std::int64_t kTicksPerSecond = 20;
constexpr std::int64_t kInputsPerSecond = 100;  // of each match

/// Starts many calls, and waits for all of them. Throws what one of them ends with.
class Calls {
 public:
  void start(const Client& client, epic::Call<void> call) {
    {
      const std::lock_guard lock(mutex_);
      ++open_;
    }
    client.async_call<void>(std::move(call), [this](epic::CallResult<void> result) {
      const std::lock_guard lock(mutex_);
      try {
        result.get();
      } catch (...) {
        error_ = std::current_exception();
      }
      --open_;
      ended_.notify_all();
    });
  }
  void wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return open_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  int open_ = 0;
  std::exception_ptr error_;
};

std::vector<std::string> play(const Client& client, bool has_timer, std::int64_t seconds) {
  Calls calls;
  for (std::int64_t i = 0; i < kMatches; ++i)
    calls.start(client, client.get<Match>(i)->start(seconds * kTicksPerSecond, has_timer));
  calls.wait();
  for (std::int64_t i = 0; i < kMatches; ++i)
    calls.start(client, client.get<Team>(i)
                            .with(std::chrono::hours(1))
                            ->play(client.get<Match>(i), seconds * kInputsPerSecond, std::chrono::milliseconds(100)));
  calls.wait();
  std::vector<double> late;
  std::int64_t skipped = 0;
  std::int64_t inputs = 0;
  for (std::int64_t i = 0; i < kMatches; ++i) {
    for (const std::int64_t late_ns : client.call(client.get<Match>(i)->stop()))
      late.push_back(static_cast<double>(late_ns));
    skipped += client.call(client.get<Match>(i)->skipped());
    inputs += client.call(client.get<Match>(i)->inputs());
  }
  return {has_timer ? "epic::every" : "a loop by hand",
          fmt::format("{}", late.size()),
          fmt::format("{}", skipped),
          fmt::format("{}", inputs),
          format_duration(percentile(late, 0.5)),
          format_duration(percentile(late, 0.99)),
          format_duration(percentile(late, 1.0))};
}

}  // namespace

/// The argument is how many seconds each side plays; 10 without one.
int main(int argc, char** argv) {
  const std::int64_t seconds = argc > 1 ? std::atoll(argv[1]) : 10;
  print_warnings();
  const BenchFabric fabric(4);
  const Client client = fabric.connect();
  std::vector<std::vector<std::string>> rows{
      {fmt::format("{} matches at {} Hz, {} inputs/s, four nodes, {} s", kMatches, kTicksPerSecond,
                   kMatches * kInputsPerSecond, seconds),
       "ticks", "skipped", "inputs", "late p50", "p99", "most"}};
  for (const bool has_timer : {false, true, false, true}) rows.push_back(play(client, has_timer, seconds));
  print_table(rows);
}

#include "integration/node/register_callers.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <random>
#include <unordered_set>
#include <utility>

#include "integration/modules/register.hpp"

namespace epic::test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using ledger::Register;

namespace {

constexpr std::uint64_t kHistoryMax = 1'000;  // acknowledged operations
constexpr auto kCallTimeout = 3s;
constexpr auto kEndTimeout = 60s;
constexpr std::int64_t kOverrunMaxMs = 10'000;  // with so many processes on one machine

}  // namespace

std::vector<CellOperation> without_unseen(const std::vector<CellOperation>& history) {
  std::unordered_set<std::int64_t> seen;
  for (const CellOperation& operation : history)
    if (operation.result) seen.insert(*operation.result);
  std::vector<CellOperation> kept;
  for (const CellOperation& operation : history)
    if (operation.result || seen.contains(operation.argument)) kept.push_back(operation);
  return kept;
}

RegisterCallers::RegisterCallers(std::vector<Client> clients, std::uint64_t seed, std::chrono::milliseconds pace)
    : pace_(pace),
      newest_begun_(clients.size()),
      is_under_way_(clients.size()),
      clients_(std::move(clients)),
      thread_([this, seed](const std::stop_token& stop) { run(seed, stop); }) {}

void RegisterCallers::finish() {
  thread_ = {};
  const auto deadline = Clock::now() + kEndTimeout;
  while (under_way_ > 0 && Clock::now() < deadline) ::poll(nullptr, 0, 10);
}

void RegisterCallers::run(std::uint64_t seed, const std::stop_token& stop) {
  std::mt19937_64 random(seed);
  std::vector<std::array<TimePoint, kPlaces>> next(clients_.size());
  while (!stop.stop_requested()) {
    const TimePoint now = Clock::now();
    for (std::size_t client = 0; client < clients_.size(); ++client)
      for (std::size_t place = 0; place < kPlaces; ++place) {
        if (now < next[client][place] || is_under_way_[client][place].exchange(true)) continue;
        next[client][place] = now + pace_ / 2 + pace_ * static_cast<int>(random() % 100) / 100;
        begin(client, place, random() % 2 == 0);
      }
    ::poll(nullptr, 0, 5);
  }
}

void RegisterCallers::begin(std::size_t client, std::size_t place, bool is_read) {
  Begun begun{.client = client, .place = place, .history = 0, .operation = {}, .time = {}};
  {
    const std::lock_guard lock(mutex_);
    begun.history = places_[place].histories.size() - 1;
  }
  begun.operation.kind = is_read ? CellOperation::Kind::read : CellOperation::Kind::swap;
  if (!is_read) begun.operation.argument = ++last_value_;
  const auto ref = Ref<Register>(fmt::format("{}.{}", place, begun.history)).with(kCallTimeout);
  ++under_way_;
  begun.time = Clock::now();
  begun.operation.called_ns = (begun.time - epoch_).count();
  auto call = is_read ? ref->read() : ref->swap(begun.operation.argument);
  clients_[client].async_call(std::move(call), [this, begun](CallResult<std::int64_t> result) mutable {
    on_end(std::move(begun), std::move(result));
  });
}

void RegisterCallers::on_end(Begun begun, CallResult<std::int64_t> result) {
  const TimePoint now = Clock::now();
  begun.operation.returned_ns = (now - epoch_).count();
  const std::int64_t overrun_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - begun.time).count() -
                                  std::chrono::milliseconds(kCallTimeout).count();
  if (overrun_ms > longest_overrun_ms_) longest_overrun_ms_ = overrun_ms;
  try {
    record(begun, result.get());
  } catch (const Unavailable&) {  // did not start
    ++not_started_;
  } catch (const Overloaded&) {
    ++not_started_;
  } catch (const NodeLost&) {
    record(begun, std::nullopt);
  } catch (const Timeout&) {
    record(begun, std::nullopt);
  } catch (const std::exception& error) {
    record(begun, std::nullopt);
    const std::lock_guard lock(mutex_);
    violations_.push_back(fmt::format("an operation of Register/{} failed: {}", begun.place, error.what()));
  }
  is_under_way_[begun.client][begun.place] = false;
  --under_way_;
}

void RegisterCallers::record(const Begun& begun, std::optional<std::int64_t> result) {
  ++(result ? succeeded_ : unknown_);
  CellOperation operation = begun.operation;
  operation.result = result;
  const std::lock_guard lock(mutex_);
  Place& place = places_[begun.place];
  place.histories[begun.history].push_back(operation);
  if (!result) return;
  place.successes.push_back(Clock::now());
  place.newest_begun = std::max(place.newest_begun, begun.time);
  newest_begun_[begun.client] = std::max(newest_begun_[begun.client], begun.time);
  if (begun.history + 1 != place.histories.size() || ++place.acknowledged < kHistoryMax) return;
  place.acknowledged = 0;
  place.histories.emplace_back();
}

std::string RegisterCallers::counts() const {
  return fmt::format("registers: {} operations, {} of unknown outcome, {} not started, {} ms past a deadline at most",
                     succeeded_.load(), unknown_.load(), not_started_.load(), longest_overrun_ms_.load());
}

bool RegisterCallers::have_all_succeeded_since(TimePoint time) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::all_of(places_, [&](const Place& place) { return place.newest_begun > time; });
}

RegisterCallers::TimePoint RegisterCallers::newest_begun_of(std::size_t client) const {
  const std::lock_guard lock(mutex_);
  return newest_begun_[client];
}

std::chrono::milliseconds RegisterCallers::longest_gap(TimePoint from, TimePoint to) const {
  const std::lock_guard lock(mutex_);
  Clock::duration longest{0};
  for (const Place& place : places_) {
    TimePoint before = from;
    for (auto success = std::ranges::lower_bound(place.successes, from); success != place.successes.end(); ++success) {
      longest = std::max(longest, *success - before);
      before = *success;
      if (*success >= to) break;
    }
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(longest);
}

std::vector<std::string> RegisterCallers::judge() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> violations = violations_;
  if (under_way_ > 0) violations.push_back(fmt::format("{} operations on registers never ended", under_way_.load()));
  if (longest_overrun_ms_ > kOverrunMaxMs)
    violations.push_back(fmt::format("an operation ended {} ms after its deadline", longest_overrun_ms_.load()));
  for (std::size_t place = 0; place < kPlaces; ++place)
    for (std::size_t number = 0; number < places_[place].histories.size(); ++number) {
      const auto history = without_unseen(places_[place].histories[number]);
      if (const auto why = find_contradiction(history, 0, TooHard::bad))
        violations.push_back(fmt::format("Register/{}.{}: {}", place, number, *why));
    }
  return violations;
}

}  // namespace epic::test

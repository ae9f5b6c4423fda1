#include "cluster/sim/world.hpp"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "kernel/assert.hpp"

namespace epic::cluster::sim {

namespace {

constexpr std::int64_t kWallStartNs = 1'700'000'000'000'000'000;  // an arbitrary fixed time
constexpr std::int64_t kMillion = 1'000'000;
constexpr std::uint32_t kLongDelayPercent = 5;
constexpr std::int64_t kUsualPart = 8;  // of the longest delay

/// Never goes back.
std::int64_t drifted(std::int64_t ns, std::int64_t drift_ppm) {
  return ns + ns / kMillion * drift_ppm + ns % kMillion * drift_ppm / kMillion;
}

}  // namespace

std::uint64_t fingerprint_of(std::string_view kind, std::uint64_t a, std::uint64_t b) {
  const std::uint64_t numbers[] = {a, b};
  return XXH64(numbers, sizeof(numbers), XXH64(kind.data(), kind.size(), 0));
}

// ---- ProcessClock ----

void ProcessClock::stop() {
  if (!stopped_at_ns_) stopped_at_ns_ = world_.now_ns();
}

void ProcessClock::go_on() {
  if (stopped_at_ns_) lag_ns_ += world_.now_ns() - *stopped_at_ns_;
  stopped_at_ns_.reset();
}

std::int64_t ProcessClock::running_ns() const { return stopped_at_ns_.value_or(world_.now_ns()) - lag_ns_; }

std::int64_t ProcessClock::monotonic_ns() const { return drifted(running_ns(), drift_ppm_); }

io::BootTime ProcessClock::boot_now() const {
  return io::BootTime(nanoseconds(drifted(world_.now_ns() - machine_->uncounted.count(), machine_->drift_ppm)));
}

std::int64_t ProcessClock::wall_ns() const { return kWallStartNs + monotonic_ns() + wall_offset_ns_; }

nanoseconds ProcessClock::until(std::int64_t local_ns) const {
  const std::int64_t left_ns = local_ns - monotonic_ns();
  if (left_ns <= 0) return nanoseconds(1);
  return nanoseconds(left_ns - left_ns / (kMillion + drift_ppm_) * drift_ppm_) + world_.timer_lateness();
}

// ---- Process ----

Process::Process(World& world, std::int64_t drift_ppm)
    : world_(world), id_(world.next_process_++), clock_(world, drift_ppm) {
  world_.processes_[id_] = this;
}

Process::~Process() { world_.processes_.erase(id_); }

void Process::after(nanoseconds delay, std::uint64_t fingerprint, std::move_only_function<void()> event) {
  world_.after(delay, id_, fingerprint, std::move(event));
}

void Process::beside(nanoseconds delay, std::uint64_t fingerprint, std::move_only_function<void()> event) {
  world_.add(delay, id_, fingerprint, /*is_beside=*/true, std::move(event));
}

void Process::go_on() {
  clock_.go_on();
  must_pause_in_tick_ = false;
  if (std::exchange(is_paused_, false)) resume();
}

void Process::free() {
  if (std::exchange(is_busy_, false)) resume();
}

void Process::resume() {
  if (std::exchange(is_in_tick_, false)) {
    is_awake_ = true;
    return after(nanoseconds(1), fingerprint_of("rest of a tick"), rest_of_tick());
  }
  for (auto& event : std::exchange(waiting_, {})) after(nanoseconds(1), fingerprint_of("late"), std::move(event));
}

/// All that has come while the process was paused, as one event. It may be destroyed only when that is over.
std::move_only_function<void()> Process::rest_of_tick() {
  return [events = std::exchange(waiting_, {})]() mutable {
    for (auto& event : events) event();
  };
}

// ---- World ----

nanoseconds World::draw_delay(nanoseconds max) {
  const std::int64_t most =
      chance(kLongDelayPercent) ? max.count() : std::max<std::int64_t>(1, max.count() / kUsualPart);
  return nanoseconds(1 + static_cast<std::int64_t>(draw(static_cast<std::uint64_t>(most))));
}

void World::after(nanoseconds delay, ProcessId owner, std::uint64_t fingerprint,
                  std::move_only_function<void()> event) {
  add(delay, owner, fingerprint, /*is_beside=*/false, std::move(event));
}

void World::add(nanoseconds delay, ProcessId owner, std::uint64_t fingerprint, bool is_beside,
                std::move_only_function<void()> event) {
  EPIC_ASSERT(delay.count() >= 0, "an event lies {} ns in the past", -delay.count());
  events_.push({now_ns_ + delay.count(), next_order_++, owner, fingerprint, is_beside, std::move(event)});
}

void World::bury(std::unique_ptr<Process> what) {
  if (is_in_event_) buried_.push_back(std::move(what));
}

void World::end() {
  while (!events_.empty()) {  // one by one: dropping one may cause another
    const Event dropped = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
  }
}

bool World::step() {
  if (events_.empty()) return false;
  Event event = std::move(const_cast<Event&>(events_.top()));  // the queue has no other way to move out
  events_.pop();
  const auto owner = processes_.find(event.owner);
  if (event.owner != 0 && owner == processes_.end()) return true;
  now_ns_ = event.time_ns;
  const std::uint64_t parts[] = {digest_, static_cast<std::uint64_t>(event.time_ns), event.owner, event.fingerprint};
  digest_ = XXH64(parts, sizeof(parts), 0);
  ++event_count_;
  is_in_event_ = true;
  if (event.owner == 0)
    event.run();
  else if (Process& process = *owner->second; process.is_paused_ || (process.is_busy_ && !event.is_beside))
    process.waiting_.push_back(std::move(event.run));
  else
    run_in(process, event.run);
  is_in_event_ = false;
  buried_.clear();
  return true;
}

void World::run_in(Process& process, std::move_only_function<void()>& event) {
  if (process.is_busy_) return event();
  const ProcessId id = process.id_;
  if (!std::exchange(process.is_awake_, false)) process.wake();
  event();
  if (!is_alive(id)) return;
  if (std::exchange(process.must_pause_in_tick_, false))
    process.is_paused_ = process.is_in_tick_ = true;
  else
    settle(process);
}

void World::enter(ProcessId process, const std::function<void()>& event) {
  const auto found = processes_.find(process);
  if (found == processes_.end()) return;
  std::move_only_function<void()> run = event;
  const bool was_in_event = std::exchange(is_in_event_, true);
  run_in(*found->second, run);
  is_in_event_ = was_in_event;
  if (!was_in_event) buried_.clear();
}

/// Lets the process do its work, and schedules its next wake-up.
void World::settle(Process& process) {
  const ProcessId id = process.id_;
  const std::int64_t until_ns = process.sleep();
  if (until_ns == INT64_MAX || !is_alive(id)) return;
  const std::int64_t wake_at_ns = now_ns_ + process.clock_.until(until_ns).count();
  if (process.wake_at_ns_ > now_ns_ && process.wake_at_ns_ <= wake_at_ns) return;
  process.wake_at_ns_ = wake_at_ns;
  after(nanoseconds(wake_at_ns - now_ns_), id, fingerprint_of("wake"), [] {});
}

void World::run_for(nanoseconds duration) {
  const std::int64_t end_ns = now_ns_ + duration.count();
  while (!events_.empty() && events_.top().time_ns <= end_ns) step();
  now_ns_ = end_ns;
}

bool World::run_until(const std::function<bool()>& done, nanoseconds limit) {
  const std::int64_t end_ns = now_ns_ + limit.count();
  while (!done()) {
    if (events_.empty() || events_.top().time_ns > end_ns) return false;
    step();
  }
  return true;
}

}  // namespace epic::cluster::sim

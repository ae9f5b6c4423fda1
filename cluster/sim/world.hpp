#pragma once
// World: virtual time, chance and processes, all from one seed.
//
// Everything that happens is an event: bytes arrive, a timer fires, a disk has written, a process dies. The world runs
// the earliest one, then lets its process do what it does before it sleeps; that causes further events, after delays
// drawn from the seed. Each event goes into a digest.
//
// Invariant: equal seeds and equal scenarios give equal digests. So nothing here or above may read a clock, an address
// or another source of randomness, and nothing may depend on the order of a hash table.
//
// Not here: what the processes are (sim_node.hpp, sim_client.hpp, sim_host.hpp), the network between them
// (network.hpp).

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string_view>
#include <vector>

#include "io/clock.hpp"

namespace epic::cluster::sim {

using std::chrono::nanoseconds;

class World;

/// 0 stands for the world itself, whose events are never dropped.
using ProcessId = std::uint64_t;

/// The boot clock of a machine, of all its processes.
struct MachineClock {
  std::int64_t drift_ppm = 0;
  nanoseconds uncounted{0};  // pauses of the machine that its clock knows nothing of
};

/// The clocks of one process: they may run fast or slow, and the wall clock may jump.
class ProcessClock final : public io::Clock {
 public:
  ProcessClock(const World& world, std::int64_t drift_ppm) : world_(world), drift_ppm_(drift_ppm) {}

  [[nodiscard]] std::int64_t monotonic_ns() const override;
  [[nodiscard]] std::int64_t wall_ns() const override;
  [[nodiscard]] io::BootTime boot_now() const override;
  /// Its machine's; shared by the processes of the machine.
  void set_machine(std::shared_ptr<const MachineClock> machine) { machine_ = std::move(machine); }
  void jump(nanoseconds by) { wall_offset_ns_ += by.count(); }
  /// How long the world has to go on until monotonic_ns() is `local_ns`. Without lateness exact only without drift.
  [[nodiscard]] nanoseconds until(std::int64_t local_ns) const;
  /// As in a virtual machine that is not scheduled.
  void stop();
  void go_on();

 private:
  [[nodiscard]] std::int64_t running_ns() const;

  const World& world_;
  std::int64_t drift_ppm_;
  std::int64_t wall_offset_ns_ = 0;
  std::int64_t lag_ns_ = 0;  // for how long it has been stopped
  std::optional<std::int64_t> stopped_at_ns_;
  std::shared_ptr<const MachineClock> machine_ = std::make_shared<MachineClock>();
};

/// Something that lives and dies by itself. Its events are dropped when it is gone, and wait while it is paused.
class Process {
 public:
  Process(World& world, std::int64_t drift_ppm = 0);
  virtual ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] ProcessId process_id() const { return id_; }
  [[nodiscard]] World& world() const { return world_; }
  [[nodiscard]] ProcessClock& clock() { return clock_; }
  [[nodiscard]] const ProcessClock& clock() const { return clock_; }

  /// Runs `event` in this process after `delay`.
  void after(nanoseconds delay, std::uint64_t fingerprint, std::move_only_function<void()> event);
  /// The same in another of its threads, which goes on while the process is busy.
  void beside(nanoseconds delay, std::uint64_t fingerprint, std::move_only_function<void()> event);

  /// As by SIGSTOP and SIGCONT.
  void pause() { is_paused_ = true; }
  void go_on();
  [[nodiscard]] bool is_paused() const { return is_paused_; }
  /// Pauses it within its next tick: after the first event of it. go_on() continues there: what has come meanwhile
  /// belongs to the same tick, which then does its work.
  void pause_in_tick() { must_pause_in_tick_ = !is_paused_; }
  /// Its main thread is in something long: only what happens beside it goes on.
  void occupy() { is_busy_ = true; }
  void free();
  [[nodiscard]] bool is_busy() const { return is_busy_; }

 protected:
  /// Before each event of the process …
  virtual void wake() = 0;
  /// … and after it: everything that is to be done before the process sleeps again. Returns until when, on its own
  /// monotonic clock; INT64_MAX: until the next event.
  [[nodiscard]] virtual std::int64_t sleep() = 0;

 private:
  friend class World;
  void resume();
  [[nodiscard]] std::move_only_function<void()> rest_of_tick();

  World& world_;
  ProcessId id_;
  ProcessClock clock_;
  bool is_paused_ = false;
  bool is_busy_ = false;
  bool must_pause_in_tick_ = false;
  bool is_in_tick_ = false;                               // paused there
  bool is_awake_ = false;                                 // the next event needs no wake()
  std::vector<std::move_only_function<void()>> waiting_;  // while it is paused or busy
  std::int64_t wake_at_ns_ = INT64_MAX;                   // world time of the scheduled wake-up
};

class World {
 public:
  /// Timers fire up to `timer_lateness` late, as real ones do.
  World(std::uint64_t seed, nanoseconds timer_lateness) : timer_lateness_(timer_lateness), random_(seed) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // ---- time
  [[nodiscard]] std::int64_t now_ns() const { return now_ns_; }
  [[nodiscard]] nanoseconds now() const { return nanoseconds(now_ns_); }
  [[nodiscard]] nanoseconds timer_lateness() const { return timer_lateness_; }
  /// Runs the next event. Returns false if none is left.
  bool step();
  void run_for(nanoseconds duration);
  /// Returns whether `done` returned true within `limit`.
  bool run_until(const std::function<bool()>& done, nanoseconds limit);

  // ---- chance
  [[nodiscard]] std::uint64_t random() { return random_(); }
  /// 0 … below - 1.
  [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return random_() % below; }
  /// Above 0, at most `max`; mostly short, now and then long, as delays are.
  [[nodiscard]] nanoseconds draw_delay(nanoseconds max);
  [[nodiscard]] bool chance(std::uint32_t percent) { return draw(100) < percent; }

  // ---- events
  /// `owner`: the process that it happens in; the event is dropped if that is gone by then.
  void after(nanoseconds delay, ProcessId owner, std::uint64_t fingerprint, std::move_only_function<void()> event);
  /// Destroys `what`: at once, or when the event in progress is over, since a process must not be destroyed within its
  /// own.
  void bury(std::unique_ptr<Process> what);
  [[nodiscard]] bool is_alive(ProcessId process) const { return processes_.contains(process); }
  /// Drops all events, before what they refer to is destroyed.
  void end();
  /// `process` may be gone. What is done to it there counts as an event of it.
  void enter(ProcessId process, const std::function<void()>& event);

  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  [[nodiscard]] std::uint64_t event_count() const { return event_count_; }

 private:
  friend class Process;
  struct Event {
    std::int64_t time_ns;
    std::uint64_t order;
    ProcessId owner;
    std::uint64_t fingerprint;
    bool is_beside;
    std::move_only_function<void()> run;
    bool operator>(const Event& other) const {
      return time_ns != other.time_ns ? time_ns > other.time_ns : order > other.order;
    }
  };

  void add(nanoseconds delay, ProcessId owner, std::uint64_t fingerprint, bool is_beside,
           std::move_only_function<void()> event);
  void run_in(Process& process, std::move_only_function<void()>& event);
  void settle(Process& process);

  nanoseconds timer_lateness_;
  std::mt19937_64 random_;
  std::int64_t now_ns_ = 1;
  std::uint64_t next_order_ = 1;
  ProcessId next_process_ = 1;
  std::uint64_t digest_ = 0;
  std::uint64_t event_count_ = 0;
  bool is_in_event_ = false;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::map<ProcessId, Process*> processes_;
  std::vector<std::unique_ptr<Process>> buried_;
};

/// For the digest.
[[nodiscard]] std::uint64_t fingerprint_of(std::string_view kind, std::uint64_t a = 0, std::uint64_t b = 0);

}  // namespace epic::cluster::sim

#pragma once
// LeaseKeeper: the one lease by which a machine may answer for its shards, opened, renewed, and measured.
//
// When the lease ends, another machine may be given the shards. So this one must know, by its own clock, until when
// the service cannot have ended the lease. That is counted on the boot clock, which goes on while the machine sleeps,
// and from before the request was sent that the service has answered: it began to count later.
//
//     boot time:   sent ────────────────▶ valid_until          sent + timeout
//     service:           └ renewed ─────────────────────────────────┴───▶ ended
//                                                  └── margin ──┘
//
// Invariant: while there is a lease, valid_until() never goes back, and only the answer to the request that is under
// way
//            moves it. One that comes twice, or after an error, or for a lease that was lost, says nothing any more.
// A service that does not answer ends nothing: the keeper asks again, and valid_until passes meanwhile. It holds only
// if nobody else revokes the lease: what is to leave a machine that cannot be asked has to wait until that is over.
// Not here:  what the machine does without a lease (supervisor/, runtime/node); timers, which are the owner's.

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cluster/coordination/coordination.hpp"
#include "io/clock.hpp"

namespace epic::cluster {

struct LeaseSettings {
  /// What the service grants from each renewal on. The longer, the later the shards of a dead machine go to others.
  std::chrono::nanoseconds timeout = std::chrono::seconds(5);
  /// How much earlier the machine stops relying on the lease. It has to cover what the boot clock cannot know:
  ///  - how much it runs slow against the service's clock within one `timeout`. kLeaseDriftMax is assumed; NTP corrects
  ///    a clock by up to 0.05 %, and quartz is off by less;
  ///  - a pause that the clock does not count, of the whole machine (a hypervisor that stops or moves it);
  ///  - a pause of a process between its last look at the clock and the system call that sends.
  /// longest_pause() is what is left for the last two, which add up. A longer one may let a stale read out; it cannot
  /// lose or change anything saved, because the store's fence does not depend on clocks.
  std::chrono::nanoseconds margin = std::chrono::seconds(1);

  bool operator==(const LeaseSettings&) const = default;
};

/// Of two clocks against each other, as a part of the time that has passed: a thousandth.
inline constexpr std::int64_t kLeaseDriftMax = 1000;

/// The sum of pauses that `settings` allow for. 0: the margin does not even cover the drift.
[[nodiscard]] std::chrono::nanoseconds longest_pause(const LeaseSettings& settings);
/// The error is a sentence without a full stop: what is wrong with them.
[[nodiscard]] std::expected<void, std::string> check_lease(const LeaseSettings& settings);

/// Single-threaded. `coordination` outlives it; what that calls back afterwards is ignored.
class LeaseKeeper {
 public:
  /// What it needs, and what it reports. None may destroy the keeper.
  struct Owner {
    std::function<io::BootTime()> boot_now;
    /// on_time() is to be called after `delay`, and not at the time asked for before.
    std::function<void(std::chrono::nanoseconds delay)> wake_after;
    /// The lease is valid until then, which is later than before. May lie in the past if the answer was slow.
    std::function<void(io::BootTime valid_until)> on_renewed;
    /// The service has ended it; others may have what it held. open() may be called again, from here, too.
    std::function<void()> on_lost;
    /// The service could not be asked; it is asked again.
    std::function<void(const std::string& why)> on_delayed;
  };

  LeaseKeeper(Coordination& coordination, LeaseSettings settings, Owner owner);

  /// Asks for a lease until there is one. Not while there is one.
  void open();
  /// Renews a lease whose time has come, or asks for one again. Early calls do nothing.
  void on_time();
  /// Gives it back: its keys go at once. First end whatever relies on it. `done` gets called even if the service could
  /// not be asked, whereupon the lease ends by itself.
  void end(std::move_only_function<void()> done);

  /// Empty: none yet, or it was lost or given back.
  [[nodiscard]] std::optional<LeaseId> lease() const { return lease_; }
  [[nodiscard]] const LeaseSettings& settings() const { return settings_; }
  /// The beginning of time: there is none.
  [[nodiscard]] io::BootTime valid_until() const { return valid_until_; }
  /// By the clock, now.
  [[nodiscard]] bool is_valid() const { return lease_ && owner_.boot_now() < valid_until_; }

 private:
  using Request = std::uint64_t;  // its number
  void forget();
  [[nodiscard]] Request begin_request();
  [[nodiscard]] bool is_answer(Request request);
  void ask_to_open();
  void ask_to_renew();
  void on_opened(io::BootTime sent, std::expected<LeaseId, CoordinationError> opened);
  void on_renewal(io::BootTime sent, const std::expected<bool, CoordinationError>& renewed);
  void on_proved(io::BootTime sent);
  void retry(const CoordinationError& error);
  void wake_at(io::BootTime time);

  Coordination& coordination_;
  LeaseSettings settings_;
  Owner owner_;
  bool is_wanted_ = false;
  std::optional<LeaseId> lease_;
  io::BootTime valid_until_;
  io::BootTime due_;                  // the next request
  std::optional<Request> under_way_;  // what is answered otherwise is ignored
  Request last_request_ = 0;
  std::shared_ptr<const int> life_ = std::make_shared<int>();  // callbacks watch it: they do nothing once it is gone
};

}  // namespace epic::cluster

#include "cluster/supervisor/membership.hpp"

#include <fmt/format.h>

#include <utility>

namespace epic::cluster {

namespace {

constexpr std::chrono::milliseconds kRetry{500};
constexpr std::string_view kApartPrefix = "apart/";

}  // namespace

Membership::Membership(Host& host, Coordination& coordination, Settings settings, Events events)
    : host_(host),
      coordination_(coordination),
      settings_(std::move(settings)),
      events_(std::move(events)),
      may_enter_(settings_.waits_for.empty()),
      keeper_(coordination, settings_.lease,
              {.boot_now = events_.boot_now,
               .wake_after =
                   [this](std::chrono::nanoseconds delay) {
                     keep_timer_.expires_after(delay, [this] { keeper_.on_time(); });
                   },
               .on_renewed = [this](io::BootTime valid_until) { on_renewed(valid_until); },
               .on_lost = [this] { lose("its lease has ended: it was not renewed in time"); },
               .on_delayed = [this](const std::string& why) { events_.on_delayed(why); }}) {}

void Membership::start() { keeper_.open(); }

void Membership::end(std::move_only_function<void()> done) {
  is_over_ = true;
  for (Timer* timer : {&put_timer_, &lead_timer_, &join_timer_}) timer->cancel();
  keeper_.end(std::move(done));
}

void Membership::on_renewed(io::BootTime valid_until) {
  if (is_over_) return;
  events_.on_renewed(valid_until);
  if (!std::exchange(has_begun_, true)) begin();
}

void Membership::begin() {
  coordination_.watch(kMachinePrefix, [this](const CoordinationChange& change) { on_machine_change(change); });
  coordination_.watch(kLeaderKey, [this](const CoordinationChange& change) { on_leader_change(change); });
  coordination_.watch(kApartPrefix, [this](const CoordinationChange& change) { on_apart_change(change); });
  may_enter_ ? put_own_key() : put_waiting_key();
}

/// Others show it; nothing depends on it.
void Membership::put_waiting_key() {
  coordination_.put_if_absent(std::string(kWaitingPrefix) + settings_.machine, settings_.waits_for, *keeper_.lease(),
                              [](const auto&) {});
  expect_leader();
}

/// A fabric that nobody leads for so long has ended.
void Membership::expect_leader() {
  if (!leader_.empty()) return;
  join_timer_.expires_after(settings_.lease.timeout + kJoinPatience, [this] { events_.on_no_fabric(); });
}

void Membership::enter() {
  if (is_over_ || std::exchange(may_enter_, true)) return;
  put_own_key();
}

void Membership::evict(const std::string& machine, const std::string& why, std::move_only_function<void(bool)> done) {
  if (is_over_ || !keeper_.lease()) return done(false);
  coordination_.put_if_absent(std::string(kEvictedPrefix) + machine, why, *keeper_.lease(),
                              [done = std::move(done)](const auto& is_put) mutable { done(is_put.has_value()); });
}

void Membership::on_apart_change(const CoordinationChange& change) {
  if (is_over_) return;
  if (change.key.starts_with(kWaitingPrefix)) {
    if (events_.on_waiting) events_.on_waiting(change.key.substr(kWaitingPrefix.size()), change.value);
  } else if (change.value && change.key == std::string(kEvictedPrefix) + settings_.machine) {
    is_over_ = true;
    events_.on_evicted(*change.value);
  }
}

/// Again until it is seen: whether it took effect may be unknown.
void Membership::put_own_key() {
  if (is_over_ || is_registered_ || !keeper_.lease()) return;
  put_timer_.expires_after(kRetry, [this] { put_own_key(); });
  coordination_.put_if_absent(own_key(), settings_.address, *keeper_.lease(), [](const auto&) {});
}

void Membership::on_machine_change(const CoordinationChange& change) {
  if (is_over_) return;
  const std::string machine = change.key.substr(kMachinePrefix.size());
  if (machine != settings_.machine) return events_.on_machine(machine, change.value);
  if (!change.value) return lose("its key in coordination is gone");
  if (std::exchange(is_registered_, true)) return;
  put_timer_.cancel();
  events_.on_machine(machine, change.value);
  if (!settings_.joins) return try_lead();
  if (!has_seen_leader_) join_timer_.expires_after(kJoinPatience, [this] { events_.on_no_fabric(); });
}

void Membership::on_leader_change(const CoordinationChange& change) {
  if (is_over_ || change.key != kLeaderKey) return;
  const std::string before = std::exchange(leader_, change.value.value_or(""));
  if (leader_ == settings_.machine) return lead();
  if (leads_ && before == settings_.machine)
    return lose(leader_.empty() ? "its key as leader is gone" : fmt::format("{} leads now", leader_));
  if (leads_) return;  // its own key is still to be seen
  if (leader_.empty()) {
    if (!before.empty()) events_.on_leader(std::nullopt);
    return may_enter_ ? try_lead() : expect_leader();
  }
  has_seen_leader_ = true;
  hesitates_since_.reset();
  join_timer_.cancel();
  lead_timer_.cancel();
  events_.on_leader(leader_);
}

/// Again while nobody leads: whether it took effect may be unknown.
void Membership::try_lead() {
  const bool may_lead = !settings_.joins || has_seen_leader_;
  if (is_over_ || leads_ || !may_lead || !is_registered_ || !leader_.empty() || !keeper_.lease()) return;
  lead_timer_.expires_after(kRetry, [this] { try_lead(); });
  if (!hesitates_since_) hesitates_since_ = host_.now();
  if (host_.now() - *hesitates_since_ < settings_.lease.timeout && events_.hesitates()) return;
  coordination_.put_if_absent(kLeaderKey, settings_.machine, *keeper_.lease(), [this](const auto& is_put) {
    if (!is_over_ && is_put && *is_put) lead();
  });
}

void Membership::lead() {
  if (std::exchange(leads_, true)) return;
  lead_timer_.cancel();
  join_timer_.cancel();
  events_.on_lead();
}

void Membership::lose(const std::string& why) {
  if (std::exchange(is_over_, true)) return;
  events_.on_lost(why);
}

}  // namespace epic::cluster

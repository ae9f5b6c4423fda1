#include "cluster/coordination/lease_keeper.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kernel/assert.hpp"

namespace epic::cluster {

namespace {

/// Two renewals may fail before the lease is in doubt.
constexpr int kRenewalsPerTimeout = 3;
/// How often a service that fails is asked.
constexpr int kRetriesPerTimeout = 20;

}  // namespace

std::chrono::nanoseconds longest_pause(const LeaseSettings& settings) {
  return std::max(std::chrono::nanoseconds(0), settings.margin - settings.timeout / kLeaseDriftMax);
}

std::expected<void, std::string> check_lease(const LeaseSettings& settings) {
  using std::chrono::milliseconds;
  const auto ms = [](std::chrono::nanoseconds duration) { return std::chrono::ceil<milliseconds>(duration); };
  if (longest_pause(settings).count() == 0)
    return std::unexpected(fmt::format("a lease of {} needs a margin of more than {}, by which clocks may differ",
                                       ms(settings.timeout), ms(settings.timeout / kLeaseDriftMax)));
  if (settings.margin > settings.timeout / 2)
    return std::unexpected(
        fmt::format("a lease of {} leaves room for a margin of {} at most, or it would be over "
                    "before a late renewal arrives",
                    ms(settings.timeout), ms(settings.timeout / 2)));
  return {};
}

LeaseKeeper::LeaseKeeper(Coordination& coordination, LeaseSettings settings, Owner owner)
    : coordination_(coordination), settings_(settings), owner_(std::move(owner)) {
  const auto checked = check_lease(settings_);
  EPIC_ASSERT(checked.has_value(), "{}", checked.error());
}

void LeaseKeeper::open() {
  EPIC_ASSERT(!lease_, "a machine has one lease");
  if (!std::exchange(is_wanted_, true)) ask_to_open();
}

void LeaseKeeper::on_time() {
  if (!is_wanted_ || under_way_) return;
  if (owner_.boot_now() < due_) return wake_at(due_);
  lease_ ? ask_to_renew() : ask_to_open();
}

void LeaseKeeper::end(std::move_only_function<void()> done) {
  const auto ended = lease_;
  forget();
  if (!ended) return done();
  coordination_.revoke(*ended, [done = std::move(done)](const auto&) mutable { done(); });
}

void LeaseKeeper::forget() {
  is_wanted_ = false;
  under_way_.reset();
  lease_.reset();
  valid_until_ = {};
}

// ---- requests ----

LeaseKeeper::Request LeaseKeeper::begin_request() {
  under_way_ = ++last_request_;
  return last_request_;
}

/// False: it has been answered, or nobody waits for it any longer.
bool LeaseKeeper::is_answer(Request request) {
  if (under_way_ != request) return false;
  under_way_.reset();
  return true;
}

void LeaseKeeper::ask_to_open() {
  const io::BootTime sent = owner_.boot_now();
  coordination_.open_lease(settings_.timeout, [this, sent, life = std::weak_ptr(life_), request = begin_request()](
                                                  std::expected<LeaseId, CoordinationError> opened) {
    if (life.expired()) return;  // it ends by itself
    if (is_answer(request)) return on_opened(sent, std::move(opened));
    if (opened && lease_ != *opened) coordination_.revoke(*opened, [](const auto&) {});
  });
}

void LeaseKeeper::ask_to_renew() {
  const io::BootTime sent = owner_.boot_now();
  coordination_.renew(*lease_, [this, sent, life = std::weak_ptr(life_),
                                request = begin_request()](const std::expected<bool, CoordinationError>& renewed) {
    if (!life.expired() && is_answer(request)) on_renewal(sent, renewed);
  });
}

void LeaseKeeper::on_opened(io::BootTime sent, std::expected<LeaseId, CoordinationError> opened) {
  if (!opened) return retry(opened.error());
  lease_ = *opened;
  on_proved(sent);
}

void LeaseKeeper::on_renewal(io::BootTime sent, const std::expected<bool, CoordinationError>& renewed) {
  if (!renewed) return retry(renewed.error());
  if (*renewed) return on_proved(sent);
  forget();
  owner_.on_lost();
}

/// The service held the lease at some time after `sent`, and holds it for `timeout` from then on.
void LeaseKeeper::on_proved(io::BootTime sent) {
  wake_at(sent + settings_.timeout / kRenewalsPerTimeout);
  const io::BootTime proved = sent + settings_.timeout - settings_.margin;
  if (proved <= valid_until_) return;
  valid_until_ = proved;
  owner_.on_renewed(valid_until_);
}

/// Whether it took effect is unknown; either way it proves nothing.
void LeaseKeeper::retry(const CoordinationError& error) {
  wake_at(owner_.boot_now() + settings_.timeout / kRetriesPerTimeout);
  owner_.on_delayed(error.message);
}

void LeaseKeeper::wake_at(io::BootTime time) {
  due_ = time;
  owner_.wake_after(std::max(std::chrono::nanoseconds(0), due_ - owner_.boot_now()));
}

}  // namespace epic::cluster

#include "cluster/sim/sim_lease.hpp"

#include <fmt/format.h>

#include <utility>

namespace epic::cluster::sim {

namespace {

constexpr nanoseconds kAttemptEvery = std::chrono::milliseconds(50);

}  // namespace

SimLease::SimLease(SimHost& host, CoordinationService& service, LeaseSettings settings, Events events)
    : events_(std::move(events)),
      name_(fmt::format("{}", host.process_id())),
      session_(service.connect(host)),
      renewal_(host),
      attempt_(host),
      keeper_(
          *session_, settings,
          {.boot_now = [&host] { return host.boot_now(); },
           .wake_after = [this](nanoseconds delay) { renewal_.expires_after(delay, [this] { keeper_.on_time(); }); },
           .on_renewed = [this](io::BootTime valid_until) { on_renewed(valid_until); },
           .on_lost = [this] { events_.on_lost(); },
           .on_delayed = [](const std::string&) {}}) {
  host.set_leased(&nodes_);
  keeper_.open();
}

void SimLease::on_renewed(io::BootTime valid_until) {
  nodes_.on_renewed(valid_until);
  if (!std::exchange(is_candidate_, true)) try_lead();
}

void SimLease::try_lead() {
  if (!keeper_.lease()) return;
  session_->put_if_absent("leader", name_, *keeper_.lease(), [this](const auto& is_put) {
    if (is_put && *is_put) return events_.on_lead();
    attempt_.expires_after(kAttemptEvery, [this] { try_lead(); });
  });
}

}  // namespace epic::cluster::sim

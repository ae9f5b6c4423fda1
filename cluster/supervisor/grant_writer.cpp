#include "cluster/supervisor/grant_writer.hpp"

#include <algorithm>
#include <utility>

#include "reflect/try.hpp"

namespace epic::cluster {

namespace {

using namespace std::chrono_literals;
using storage::StoreErrorCode;

constexpr auto kRetryFirst = 20ms;
constexpr auto kRetryMax = 500ms;

}  // namespace

GrantWriter::GrantWriter(Host& host, OpenStore open_store, Leadership leadership, Events events)
    : host_(host), events_(std::move(events)), timer_(host) {
  if (!open_store) return;
  beside_ = std::make_shared<Beside>(Beside{.open_store = std::move(open_store), .leadership = std::move(leadership)});
  const auto outcome = std::make_shared<Outcome>();  // handed from the work to what follows it
  host_.run_beside([beside = beside_, outcome] { *outcome = beside->try_open(); },
                   [this, outcome] { on_opened(*outcome); });
}

void GrantWriter::write(kernel::ShardMap map) {
  if (!beside_) return timer_.expires_after(0ns, [this] { events_.on_written({}); });
  if (has_given_up_) return;
  map_ = std::move(map);
  retry_delay_ = kRetryFirst;
  attempt();
}

void GrantWriter::give_back(std::vector<kernel::ShardId> orphans, std::function<void()> then) {
  if (!beside_ || has_given_up_) return then();
  is_given_back_ = true;
  timer_.cancel();
  host_.run_beside(
      [beside = beside_, orphans = std::move(orphans)] {
        if (beside->store) static_cast<void>(beside->granter->give_back(*beside->store, orphans));
      },
      std::move(then));
}

void GrantWriter::attempt() {
  const auto outcome = std::make_shared<Outcome>();
  host_.run_beside([beside = beside_, outcome, map = map_] { *outcome = beside->try_write(map); },
                   [this, outcome] { on_attempted(*outcome); });
}

void GrantWriter::on_attempted(const Outcome& outcome) {
  report_migration(outcome);
  if (!outcome.error) {
    is_delay_reported_ = false;
    return events_.on_written(outcome.orphans);
  }
  if (try_give_up(*outcome.error) || is_given_back_) return;
  timer_.expires_after(retry_delay_, [this] { attempt(); });
  retry_delay_ = std::min<std::chrono::milliseconds>(retry_delay_ * 2, kRetryMax);
  if (!std::exchange(is_delay_reported_, true)) events_.on_delay(outcome.error->message);
}

/// An error that may pass shows when the store is needed.
void GrantWriter::on_opened(const Outcome& outcome) {
  report_migration(outcome);
  if (outcome.error && storage::ends_fabric(outcome.error->code)) try_give_up(*outcome.error);
}

bool GrantWriter::try_give_up(const storage::StoreError& error) {
  const bool is_deposed = error.code == StoreErrorCode::not_granted;
  if (!is_deposed && !storage::ends_fabric(error.code)) return false;
  if (std::exchange(has_given_up_, true)) return true;
  is_deposed ? events_.on_deposed(error.message) : events_.on_damage(error.message);
  return true;
}

void GrantWriter::report_migration(const Outcome& outcome) const {
  if (outcome.migrated) events_.on_migrated(*outcome.migrated);
}

GrantWriter::Outcome GrantWriter::Beside::try_open() {
  auto opened = open_store();
  if (!opened) return {.error = opened.error()};
  if (const auto leads = lead(**opened); !leads) return {.error = leads.error()};
  store = std::move(*opened);
  const storage::StoreIdentity identity = store->identity();
  return {.migrated = identity.migrated_from ? std::optional(identity) : std::nullopt};
}

std::expected<void, storage::StoreError> GrantWriter::Beside::lead(storage::Store& opened) {
  if (granter) return granter->go_on(opened);
  granter = EPIC_TRY(storage::Granter::lead(opened, leadership.term, leadership.alive, leadership.rule));
  return {};
}

GrantWriter::Outcome GrantWriter::Beside::try_write(const kernel::ShardMap& map) {
  Outcome outcome;
  if (!store) outcome = try_open();
  if (outcome.error) return outcome;
  if (const auto written = granter->write(*store, map); !written) {
    const StoreErrorCode code = written.error().code;
    const bool may_go_on = storage::may_be_retried(code);
    if (!may_go_on) store.reset();  // it refuses every later write; what it has written is looked up anew
    outcome.error = written.error();
  } else {
    outcome.orphans = granter->take_orphans();
  }
  return outcome;
}

}  // namespace epic::cluster

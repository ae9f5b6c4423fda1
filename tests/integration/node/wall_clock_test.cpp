// Reminders on real nodes whose wall clock is set, while they run and while no fabric does.

#include <signal.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "integration/programs/shifted_clock.hpp"
#include "storage/sqlite_store.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::ShiftedClock;
using epic::test::Supervised;
using probe::Till;

namespace {

std::function<void(epic::cluster::SupervisorOptions&)> shifted_nodes(std::uint16_t node_count) {
  return epic::test::real_nodes(
      "probe", node_count, [](epic::cluster::SupervisorOptions& options) { options.node_program = EPIC_SHIFTED_NODE; });
}

/// Looks again and again, which goes through other processes each time.
void wait_for_count(const Client& client, const epic::Ref<Till>& till, std::int64_t wanted) {
  const auto until = std::chrono::steady_clock::now() + 60s;
  std::int64_t seen = client.call(till->count());
  while (seen < wanted && std::chrono::steady_clock::now() < until) seen = client.call(till->count());
  INFO(till.key() << " has counted " << seen << " of " << wanted);
  REQUIRE(seen >= wanted);
}

void stop_fabric(Supervised& fabric) {
  fabric.signal(SIGTERM);
  CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
}

/// The due times of the only stored reminder that have passed for it.
std::int64_t passed_due_times(const ProjectDirectory& project) {
  const auto store = epic::storage::SqliteStore::open(project.path() / ".epic" / "state.sqlite",
                                                      {.mode = epic::storage::OpenMode::read_only});
  REQUIRE(store);
  std::vector<epic::storage::Reminder> found;
  REQUIRE((*store)->list_reminders(
      {},
      [&](const epic::storage::Reminder& one) {
        found.push_back(one);
        return epic::storage::Visit::go_on;
      },
      [](const auto&) {}));
  REQUIRE(found.size() == 1);
  const auto mail = *(*store)->count_mail();
  CHECK(mail.waiting + mail.begun + mail.dead == 0);
  return (found[0].due_ns - found[0].first_ns) / found[0].every_ns;
}

/// What an entity has counted in all, read when nothing is due for it: the clock is far behind.
std::int64_t count_at_last(const ProjectDirectory& project, const ShiftedClock& clock) {
  clock.set_ahead(-24h);
  Supervised fabric{project, "unused", shifted_nodes(1)};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  return client.call(client.get<Till>("bell")->count());
}

}  // namespace

TEST_CASE("wall clock: a reminder of one second that was missed for a week is one call that knows the count",
          "[node]") {
  constexpr std::int64_t kWeekSeconds = 7 * 24 * 3600;
  const ProjectDirectory project;
  const ShiftedClock clock(project.path());
  {
    Supervised fabric{project, "unused", shifted_nodes(2)};
    fabric.wait_for("ready 2 nodes");
    const Client client = Client::connect(project.path().string());
    const epic::Ref<Till> bell = client.get<Till>("bell");
    client.call(bell->put_again_and_again(1'000));
    wait_for_count(client, bell, 1);
    stop_fabric(fabric);
  }
  clock.set_ahead(std::chrono::seconds(kWeekSeconds));
  {
    Supervised fabric{project, "unused", shifted_nodes(2)};
    fabric.wait_for("ready 2 nodes");
    const Client client = Client::connect(project.path().string());
    const epic::Ref<Till> bell = client.get<Till>("bell");
    wait_for_count(client, bell, kWeekSeconds);
    CHECK(client.call(bell->most_missed_at_once()) >= kWeekSeconds - 1);
    stop_fabric(fabric);
  }
  const std::int64_t passed = passed_due_times(project);
  CHECK(passed >= kWeekSeconds);
  CHECK(count_at_last(project, clock) == passed);
}

TEST_CASE("wall clock: set forward and back under a running fabric, it repeats no reminder and loses none", "[node]") {
  constexpr std::int64_t kEveryMs = 20;
  constexpr std::int64_t kHourCount = 3600 * 1000 / kEveryMs;
  const ProjectDirectory project;
  const ShiftedClock clock(project.path());
  {
    Supervised fabric{project, "unused", shifted_nodes(2)};
    fabric.wait_for("ready 2 nodes");
    const Client client = Client::connect(project.path().string());
    const epic::Ref<Till> bell = client.get<Till>("bell");
    client.call(bell->put_again_and_again(kEveryMs));
    wait_for_count(client, bell, 5);

    clock.set_ahead(1h);
    wait_for_count(client, bell, kHourCount);
    CHECK(client.call(bell->most_missed_at_once()) >= kHourCount - 1);

    clock.set_ahead(0h);
    const epic::Ref<Till> other = client.get<Till>("other");
    client.call(other->put_later(5, 50, 50));  // by the clock as it is now
    wait_for_count(client, other, 5);
    const std::int64_t rung = client.call(bell->count());
    client.call(other->put_later(5, 50, 50));
    wait_for_count(client, other, 10);
    CHECK(client.call(bell->count()) == rung);  // the times until its next one have been

    clock.set_ahead(1h);
    wait_for_count(client, bell, rung + 5);
    stop_fabric(fabric);
  }
  const std::int64_t passed = passed_due_times(project);
  CHECK(passed >= kHourCount);
  CHECK(count_at_last(project, clock) == passed);
}

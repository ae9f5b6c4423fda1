// Reminders on real nodes: over the death of processes, and while no fabric runs.

#include <poll.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "storage/sqlite_store.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Till;

namespace {

constexpr int kTillCount = 24;

struct StoredLeft {
  std::vector<epic::storage::Reminder> reminders = {};
  epic::storage::MailCounts mail = {};
};

StoredLeft read_left(const ProjectDirectory& project) {
  const auto store = epic::storage::SqliteStore::open(project.path() / ".epic" / "state.sqlite",
                                                      {.mode = epic::storage::OpenMode::read_only});
  REQUIRE(store);
  StoredLeft left;
  REQUIRE((*store)->list_reminders(
      {},
      [&](const epic::storage::Reminder& one) {
        left.reminders.push_back(one);
        return epic::storage::Visit::go_on;
      },
      [](const auto&) {}));
  left.mail = *(*store)->count_mail();
  return left;
}

std::int64_t sum_of(const Client& client) {
  std::int64_t sum = 0;
  for (int i = 0; i < kTillCount; ++i) sum += client.call(client.get<Till>(i)->count());
  return sum;
}

/// -1: a node has died meanwhile.
std::int64_t try_sum_of(const Client& client) {
  try {
    return sum_of(client);
  } catch (const epic::Error&) {
    return -1;
  }
}

/// Looks again and again, which goes through other processes each time. Until it is `wanted` or more.
void wait_for_sum(const std::string& what, const std::function<std::int64_t()>& look, std::int64_t wanted) {
  const auto until = std::chrono::steady_clock::now() + 60s;
  std::int64_t seen = look();
  while (seen < wanted && std::chrono::steady_clock::now() < until) seen = look();
  INFO(what << ": " << seen << " of " << wanted);
  REQUIRE(seen >= wanted);
}

}  // namespace

TEST_CASE("reminders: each calls its entity once, though nodes, the supervisor and all of them are killed",
          "[node][threads]") {
  constexpr std::int64_t kEach = 20;
  const ProjectDirectory project;
  std::vector<pid_t> pids;
  {
    Supervised fabric{project, "unused", real_nodes("probe", 3)};
    fabric.wait_for("ready 3 nodes");
    fabric.wait_until_level();
    const Client client = Client::connect(project.path().string());
    for (int i = 0; i < kTillCount; ++i) client.call(client.get<Till>(i)->put_later(kEach, 300, 150));
    wait_for_sum("before a node is killed", [&] { return try_sum_of(client); }, kTillCount * 3);
    REQUIRE(::kill(fabric.list_node_pids().at(0), SIGKILL) == 0);
    wait_for_sum("before all are killed", [&] { return try_sum_of(client); }, kTillCount * 8);
    pids = fabric.list_node_pids();
    fabric.signal(SIGKILL);
    CHECK(fabric.wait_for_end() == 128 + SIGKILL);
  }
  for (const pid_t pid : pids) epic::test::wait_for_death(pid);

  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  wait_for_sum("at last", [&] { return try_sum_of(client); }, kTillCount * kEach);
  CHECK(sum_of(client) == kTillCount * kEach);
  const StoredLeft left = read_left(project);
  CHECK(left.reminders.empty());
  CHECK(left.mail.waiting + left.mail.begun + left.mail.dead == 0);
}

TEST_CASE("reminders: what a fabric that is down misses is one call that knows the count, until it is forgotten",
          "[node]") {
  const ProjectDirectory project;
  {
    Supervised fabric{project, "unused", real_nodes("probe", 2)};
    fabric.wait_for("ready 2 nodes");
    const Client client = Client::connect(project.path().string());
    client.call(client.get<Till>("bell")->put_again_and_again(20));
    wait_for_sum("ticks", [&] { return client.call(client.get<Till>("bell")->count()); }, 5);
    fabric.signal(SIGTERM);
    CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
  }
  const StoredLeft left = read_left(project);
  REQUIRE(left.reminders.size() == 1);
  const auto& bell = left.reminders.front();
  const std::int64_t over = (bell.due_ns - bell.first_ns) / bell.every_ns;
  CHECK(over >= 5);

  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  const epic::Ref<Till> till = client.get<Till>("bell");
  wait_for_sum("ticks", [&] { return client.call(till->count()); }, over + 2);
  CHECK(client.call(till->missed_count()) > 0);

  client.call(till->forget_ticks());
  ::poll(nullptr, 0, 100);  // one may have been due
  const std::int64_t last = client.call(till->count());
  ::poll(nullptr, 0, 300);
  CHECK(client.call(till->count()) == last);
  CHECK(read_left(project).reminders.empty());
}

// Several supervisors that run one fabric, with a PostgreSQL server for its state, and that or etcd for what they agree
// on.

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <set>
#include <string>
#include <thread>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "storage/open_store.hpp"
#include "support/etcd_server.hpp"
#include "support/postgres_server.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::EtcdServer;
using epic::test::PostgresServer;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Counter;
namespace json = boost::json;
namespace storage = epic::storage;

namespace {

constexpr int kCounters = 16;
constexpr std::chrono::milliseconds kLease{4'000};

/// What a fabric uses: a database, and the setting for what its machines agree on.
struct Place {
  Place(std::string its_url, std::string its_coordination = "postgresql")
      : url(std::move(its_url)), coordination(std::move(its_coordination)) {}
  std::string url;
  std::string coordination;
};

/// The servers behind a place, by kind of coordination.
struct ByPostgresql {
  PostgresServer& server = PostgresServer::shared();
  Place place{server.make_database()};
};
struct ByEtcd {
  explicit ByEtcd(EtcdServer::Members members = EtcdServer::Members::one) : etcd(members) {}
  PostgresServer& server = PostgresServer::shared();
  EtcdServer etcd;
  Place place{server.make_database(), "etcd://" + list_addresses()};

  [[nodiscard]] std::string list_addresses() const {
    std::string all;
    for (std::size_t member = 0; member < etcd.endpoints().size(); ++member)
      all += fmt::format("{}127.0.0.1:{}", member == 0 ? "" : ",", etcd.port(member));
    return all;
  }
};

/// The first machine of a fabric.
auto machine_on(const Place& place, std::uint16_t nodes) {
  return real_nodes("probe", nodes, [place](auto& options) {
    options.store = storage::locate_store(place.url, options.project_directory / ".epic");
    options.coordination = place.coordination;
    options.lease = kLease;
    options.shard_count = 16;
    options.restart.delay_first = 10ms;
    options.fabric.heartbeat = 20ms;
  });
}

/// Another, in a directory of its own.
auto machine_that_joins(const Place& place, std::uint16_t nodes, const ProjectDirectory& project,
                        const ProjectDirectory& own) {
  return [=, &project, &own](epic::cluster::SupervisorOptions& options) {
    options.project_directory = project.path();
    machine_on(place, nodes)(options);
    options.run_directory = own.path();
    options.joins = true;
  };
}

std::size_t count_machines(const json::object& ps) {
  std::set<std::string> machines;
  for (const auto& node : ps.at("nodes").as_array()) machines.insert(node.at("machine").as_string().c_str());
  return machines.size();
}

void wait_until_spread(Supervised& machine, std::size_t nodes) {
  machine.wait_for_ps(fmt::format("{} nodes have all shards", nodes), [nodes](const json::object& ps) {
    std::int64_t shards = 0;
    const auto& rows = ps.at("nodes").as_array();
    for (const auto& node : rows) {
      const std::int64_t owned = node.at("shards").to_number<std::int64_t>();
      if (node.at("state") != "ready" || owned == 0) return false;
      shards += owned;
    }
    return rows.size() == nodes && shards == 16;
  });
}

/// Adds one to each counter; every one must have had `before`.
void count_on(Supervised& machine, std::int64_t before) {
  for (int i = 0; i < kCounters; ++i)
    CHECK(machine.call(fmt::format("Counter/{}", i), "add", {1}).at("result") == before + 1);
}

}  // namespace

TEMPLATE_TEST_CASE("machines: a second supervisor adds its nodes, and leaves in order", "[node][large]", ByPostgresql,
                   ByEtcd) {
  const TestType by;
  const ProjectDirectory project;
  const ProjectDirectory other;
  Supervised first{project, "unused", machine_on(by.place, 2)};
  first.wait_for("ready 2 nodes");
  count_on(first, 0);

  Supervised second{other, "unused", machine_that_joins(by.place, 2, project, other)};
  second.wait_for("ready 2 nodes");
  wait_until_spread(first, 4);
  wait_until_spread(second, 4);  // any of them answers for all
  CHECK(count_machines(second.ask("ps")) == 2);
  CHECK(second.ask("ping").at("pid") == second.pid());
  count_on(second, 1);

  const auto ends = second.stream("stop");
  CHECK(ends.back().at("event") == "stopped");
  CHECK(second.wait_for_end() == epic::cluster::kExitOk);
  wait_until_spread(first, 2);
  count_on(first, 2);
  first.signal(SIGTERM);
  CHECK(first.wait_for_end() == epic::cluster::kExitOk);
}

TEST_CASE("machines: when the first one stops in order, all do", "[node][large]") {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.make_database();
  const ProjectDirectory project;
  const ProjectDirectory other;
  Supervised first{project, "unused", machine_on(url, 1)};
  first.wait_for("ready 1 nodes");
  Supervised second{other, "unused", machine_that_joins(url, 1, project, other)};
  wait_until_spread(first, 2);

  first.signal(SIGTERM);
  CHECK(first.wait_for_end() == epic::cluster::kExitOk);
  CHECK(second.wait_for_end() == epic::cluster::kExitOk);
  CHECK(server.run_sql(url, "SELECT count(*) FROM epic.shards WHERE node <> 0") == "0");  // given back
}

TEST_CASE("machines: the shards of a machine whose supervisor was killed go to the others", "[node][large]") {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.make_database();
  const ProjectDirectory project;
  const ProjectDirectory other;
  Supervised first{project, "unused", machine_on(url, 2)};
  first.wait_for("ready 2 nodes");
  Supervised second{other, "unused", machine_that_joins(url, 2, project, other)};
  wait_until_spread(first, 4);
  count_on(first, 0);

  second.signal(SIGKILL);
  wait_until_spread(first, 2);
  count_on(first, 1);
}

TEMPLATE_TEST_CASE("machines: when the leader is killed another leads, and nothing acknowledged is lost",
                   "[node][large]", ByPostgresql, ByEtcd) {
  const TestType by;
  const ProjectDirectory project;
  const ProjectDirectory other;
  const ProjectDirectory third_one;
  Supervised first{project, "unused", machine_on(by.place, 2)};
  first.wait_for("ready 2 nodes");
  Supervised second{other, "unused", machine_that_joins(by.place, 2, project, other)};
  Supervised third{third_one, "unused", machine_that_joins(by.place, 2, project, third_one)};
  wait_until_spread(first, 6);
  count_on(first, 0);
  const auto pids = second.list_node_pids();

  first.signal(SIGKILL);
  auto client = second.connect();
  std::string waits_for;
  client.set_on_waiting([&](std::string_view why) { waits_for = why; });
  CHECK(client.request("ps", json::object{}, 4s).has_value());  // the next leader answers
  CHECK_THAT(waits_for, Catch::Contains("Waiting for a supervisor to lead the fabric"));
  second.wait_for("Nobody leads the fabric at the moment");
  third.wait_for("Nobody leads the fabric at the moment");
  wait_until_spread(second, 4);
  wait_until_spread(third, 4);
  count_on(third, 1);
  const auto after = second.list_node_pids();
  for (const pid_t pid : after) CHECK(std::ranges::find(pids, pid) != pids.end());  // they went on

  Supervised again{project, "unused", machine_on(by.place, 1)};
  again.wait_for("ready 1 nodes");
  wait_until_spread(again, 5);
  count_on(again, 2);
}

TEST_CASE("machines: while nobody leads calls go on, and none is lost or takes effect twice", "[node][large]") {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.make_database();
  const ProjectDirectory project;
  const ProjectDirectory other;
  Supervised first{project, "unused", machine_on(url, 1)};
  first.wait_for("ready 1 nodes");
  Supervised second{other, "unused", machine_that_joins(url, 2, project, other)};
  wait_until_spread(first, 3);
  std::array<std::int64_t, kCounters> acknowledged{};
  std::array<std::int64_t, kCounters> unknown{};
  std::atomic<std::int64_t> answered = 0;
  std::atomic<bool> is_over = false;
  std::thread caller([&] {
    const Client client = Client::connect(other.path().string(), {.call_timeout = 500ms});
    for (std::size_t i = 0; !is_over; i = (i + 1) % kCounters) {
      try {
        static_cast<void>(client.call(client.get<Counter>(std::to_string(i))->add(1)));
        ++acknowledged[i];
        ++answered;
      } catch (const epic::Unavailable&) {  // it has not run
      } catch (const epic::Error&) {
        ++unknown[i];
      }
    }
  });
  const auto wait_for_answers = [&](std::int64_t count) {
    const std::int64_t before = answered;
    for (int look = 0; answered < before + count && look < 3'000; ++look) ::poll(nullptr, 0, 10);
    CHECK(answered >= before + count);
  };
  wait_for_answers(100);

  first.signal(SIGKILL);
  wait_for_answers(5);
  second.listen();
  CHECK_FALSE(second.heard().contains("This supervisor leads"));
  second.wait_for("This supervisor leads");
  wait_until_spread(second, 2);
  wait_for_answers(100);
  is_over = true;
  caller.join();
  for (std::size_t i = 0; i < kCounters; ++i) {
    const auto value = second.call(fmt::format("Counter/{}", i), "get").at("result").to_number<std::int64_t>();
    INFO("counter " << i << ", of unknown outcome: " << unknown[i]);
    CHECK(value >= acknowledged[i]);
    CHECK(value <= acknowledged[i] + unknown[i]);
  }
}

TEST_CASE("machines: a leader that was stopped for too long leads no more, and its nodes answer nothing",
          "[node][large]") {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.make_database();
  const ProjectDirectory project;
  const ProjectDirectory other;
  Supervised first{project, "unused", machine_on(url, 1)};
  first.wait_for("ready 1 nodes");
  Supervised second{other, "unused", machine_that_joins(url, 1, project, other)};
  wait_until_spread(first, 2);
  count_on(first, 0);

  first.signal(SIGSTOP);
  second.wait_for("This supervisor leads");
  wait_until_spread(second, 1);
  count_on(second, 1);
  first.signal(SIGCONT);
  CHECK_THAT(first.wait_for_error(), Catch::Contains("This machine has left the fabric"));
  CHECK(first.wait_for_end() == epic::cluster::kExitFailed);
  count_on(second, 2);
}

TEST_CASE("machines: a member of etcd is lost, and the fabric goes on, also with another leader", "[node][large]") {
  ByEtcd by{EtcdServer::Members::three};
  const ProjectDirectory project;
  const ProjectDirectory other;
  Supervised first{project, "unused", machine_on(by.place, 1)};
  first.wait_for("ready 1 nodes");
  Supervised second{other, "unused", machine_that_joins(by.place, 1, project, other)};
  wait_until_spread(first, 2);
  const auto pids = second.list_node_pids();

  by.etcd.kill(0);  // the one that both of them ask
  count_on(second, 0);
  first.signal(SIGKILL);
  second.wait_for("This supervisor leads");
  wait_until_spread(second, 1);
  count_on(second, 1);
  CHECK(std::ranges::find(pids, second.list_node_pids().front()) != pids.end());
}

TEST_CASE("machines: while etcd is away the log names it, and calls go on when it is back, even after the lease's time",
          "[node][large]") {
  const bool is_beyond_lease = GENERATE(false, true);
  ByEtcd by;
  const ProjectDirectory project;
  Supervised first{project, "unused", machine_on(by.place, 1)};
  first.wait_for("ready 1 nodes");
  count_on(first, 0);

  by.etcd.kill();
  if (is_beyond_lease) ::poll(nullptr, 0, static_cast<int>(std::chrono::milliseconds(kLease + 1s).count()));
  const std::string said = first.wait_for("Coordination by etcd at " + by.list_addresses() + " fails");
  CHECK_FALSE(said.contains("store"));
  by.etcd.restart();
  first.wait_for("Coordination answers again");
  count_on(first, 1);
}

TEST_CASE("machines: a supervisor that finds no etcd says where it has looked", "[node]") {
  const ProjectDirectory project;
  Supervised first{project, "unused", [](auto& options) {
                     machine_on({"postgresql://nowhere.example/none", "etcd://127.0.0.1:1"}, 1)(options);
                     options.start_timeout = 1s;
                   }};
  CHECK_THAT(first.wait_for_error(),
             Catch::Contains("Coordination by etcd at 127.0.0.1:1 has given this machine no lease within 1s: no etcd "
                             "server can be reached: 127.0.0.1:1: Connection refused"));
  CHECK(first.wait_for_end() == epic::cluster::kExitFailed);
}

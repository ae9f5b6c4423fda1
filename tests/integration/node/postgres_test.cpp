// Real nodes whose store is a PostgreSQL database: what they save is there, and what breaks on the way loses nothing.

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <atomic>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "storage/open_store.hpp"
#include "support/postgres_server.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::PostgresServer;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Counter;
namespace json = boost::json;
namespace storage = epic::storage;

namespace {

auto nodes_on(const std::string& url, std::uint16_t count) {
  return real_nodes("probe", count, [url](auto& options) {
    options.store = storage::locate_store(url, options.project_directory / ".epic");
    options.restart.delay_first = 10ms;
    options.fabric.heartbeat = 20ms;
  });
}

void stop_in_order(Supervised& fabric) {
  fabric.signal(SIGTERM);
  REQUIRE(fabric.wait_for_end() == epic::cluster::kExitOk);
}

/// As the store has it.
std::uint64_t count_counters(const std::string& url) {
  const auto store =
      storage::open_store({.address = storage::locate_store(url, {}), .mode = storage::OpenMode::read_only});
  REQUIRE(store.has_value());
  const auto counts = (*store)->count_by_type();
  REQUIRE(counts.has_value());
  for (const storage::TypeCount& count : *counts)
    if (count.type == "Counter") return count.entities;
  return 0;
}

}  // namespace

TEST_CASE("postgres: a fabric makes its tables, saves there, and goes on from it", "[node]") {
  PostgresServer server;
  const std::string url = server.make_database();
  const ProjectDirectory project;
  {
    Supervised fabric{project, "unused", nodes_on(url, 2)};
    fabric.wait_for("ready 2 nodes");
    for (int i = 0; i < 10; ++i) fabric.call(fmt::format("Counter/{}", i), "add", {i});
    CHECK(count_counters(url) == 10);
    stop_in_order(fabric);
  }
  CHECK(server.run_sql(url, "SELECT count(*) FROM epic.shards WHERE node <> 0") == "0");  // given back
  Supervised fabric{project, "unused", nodes_on(url, 3)};
  fabric.wait_for("ready 3 nodes");
  for (int i = 0; i < 10; ++i) CHECK(fabric.call(fmt::format("Counter/{}", i), "get").at("result") == i);
}

TEST_CASE("postgres: nodes and a supervisor that are killed lose nothing that was acknowledged", "[node]") {
  PostgresServer server;
  const std::string url = server.make_database();
  const ProjectDirectory project;
  {
    Supervised fabric{project, "unused", nodes_on(url, 2)};
    fabric.wait_for("ready 2 nodes");
    for (int i = 1; i <= 20; ++i) CHECK(fabric.call("Counter/a", "add", {1}).at("result") == i);
    for (const pid_t pid : fabric.list_node_pids()) ::kill(pid, SIGKILL);
    fabric.wait_for_ps("both are started again", [](const json::object& ps) {
      return ps.at("nodes").at(0).at("restarts") != 0 && ps.at("nodes").at(1).at("restarts") != 0;
    });
    fabric.wait_until_level();
    CHECK(fabric.call("Counter/a", "add", {1}).at("result") == 21);
    fabric.signal(SIGKILL);
  }
  project.wait_until_nothing_is_left();
  Supervised fabric{project, "unused", nodes_on(url, 2)};
  fabric.wait_for("ready 2 nodes");
  CHECK(fabric.call("Counter/a", "add", {1}).at("result") == 22);
}

TEST_CASE("postgres: while the server is away nothing is acknowledged, and the nodes go on when it is back", "[node]") {
  PostgresServer server;
  const std::string url = server.make_database();
  const ProjectDirectory project;
  Supervised fabric{project, "unused", nodes_on(url, 1)};
  fabric.wait_for("ready 1 nodes");
  CHECK(fabric.call("Counter/a", "add", {1}).at("result") == 1);
  const std::vector<pid_t> before = fabric.list_node_pids();
  server.stop(PostgresServer::End::crash);

  const auto lost =
      fabric.ask_in_vain("call", {{"entity", "Counter/a"}, {"method", "add"}, {"args", {1}}, {"timeout_ms", 500}});
  CHECK(lost.detail.error == "timeout");
  const json::object ps = fabric.wait_for_ps("the node says that it is blocked", [](const json::object& now) {
    return now.at("nodes").at(0).at("store") == "blocked";
  });
  CHECK_THAT(ps.at("nodes").at(0).at("store_reason").as_string().c_str(), Catch::Contains(url));
  server.start();
  fabric.wait_for("saving works again");
  // What has run was saved then, whatever its caller was told.
  CHECK(fabric.call("Counter/a", "add", {1}).at("result") == 3);
  CHECK(fabric.call("Counter/b", "add", {1}).at("result") == 1);
  CHECK(fabric.list_node_pids() == before);
}

TEST_CASE("postgres: connections that break at any moment change no result, and no call takes effect twice", "[node]") {
  PostgresServer server;
  const std::string url = server.make_database();
  const ProjectDirectory project;
  Supervised fabric{project, "unused", nodes_on(url, 2)};
  fabric.wait_for("ready 2 nodes");
  std::atomic<bool> is_over{false};
  std::atomic<std::int64_t> answered = 0;
  std::string problem;
  std::thread caller([&] {
    const Client client = Client::connect(project.path().string(), {.call_timeout = 60s});
    while (!is_over) {
      try {
        const std::int64_t result = client.call(client.get<Counter>("a")->add(1));
        if (result == ++answered) continue;
        problem = fmt::format("call {} gives {}", answered.load(), result);
      } catch (const epic::Unavailable&) {  // it has not run
        ::poll(nullptr, 0, 5);
        continue;
      } catch (const epic::Error& error) {
        problem = error.what();
      }
      break;
    }
    is_over = true;
  });
  for (int i = 0; i < 20 && !is_over; ++i) {
    const std::int64_t before = answered;
    server.run_sql(url,
                   "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'epic'");
    do {
      ::poll(nullptr, 0, 100);
      fabric.listen();
    } while (i % 2 == 0 && answered == before && !is_over);  // every second one comes whatever the last has left
  }
  is_over = true;
  caller.join();
  CHECK(problem == "");
  CHECK(answered >= 10);
  CHECK(fabric.call("Counter/a", "get").at("result") == answered.load());
}

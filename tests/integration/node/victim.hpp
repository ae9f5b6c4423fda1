#pragma once
// Victim: the ledger's fabric under faults, for the crash tests. It is killed, paused, drained, scaled and restarted;
// with a database, so is that.
//
// EPIC_FAULTS sets the number of faults, EPIC_SEED selects them.

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "integration/node/real_fabric.hpp"
#include "storage/open_store.hpp"
#include "support/postgres_server.hpp"

namespace epic::test {

[[nodiscard]] inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Victim {
 public:
  Victim(const ProjectDirectory& project, std::uint64_t seed) : project_(project), random_(seed) { start(); }
  /// Whose store is in a database of `server`.
  Victim(const ProjectDirectory& project, std::uint64_t seed, PostgresServer& server)
      : project_(project), random_(seed), server_(&server), url_(server.make_database()) {
    start();
  }

  /// Injects a fault and returns its description.
  std::string suffer() {
    fabric_->listen();
    if (server_ != nullptr && random_() % 2 == 0) return suffer_in_database();
    const std::string node = fmt::format("node-{}", random_() % 4 + 1);
    switch (random_() % 6) {
      case 0:
      case 1:
        try_ask("kill", {{"node", node}});
        return "kill " + node;
      case 2:
        try_ask("pause", {{"node", node}});
        ::poll(nullptr, 0, static_cast<int>(random_() % 100));  // how long it hangs, in ms
        try_ask("resume", {{"node", node}});
        return "pause " + node;
      case 3:
        if (random_() % 2 == 0) try_ask("drain", {{"node", node}});
        try_ask("scale", {{"nodes", random_() % 4 + 2}});
        return "drain and scale";
      case 4:
        restart_rolling();
        return "begin a rolling restart";
      default:
        restart_supervisor();
        return "kill the supervisor";
    }
  }

  /// Ends everything at once, and begins anew.
  void restart_supervisor() {
    fabric_->listen();
    const std::vector<pid_t> nodes = fabric_->list_node_pids();
    fabric_->signal(SIGKILL);
    CHECK(fabric_->wait_for_end() == 128 + SIGKILL);
    for (const pid_t node : nodes) wait_for_death(node);
    project_.wait_until_nothing_is_left();
    start();
  }

  [[nodiscard]] Supervised& fabric() { return *fabric_; }

 private:
  std::string suffer_in_database() {
    switch (random_() % 4) {
      case 0:
        restart_server(PostgresServer::End::crash);
        return "crash of the database server";
      case 1:
        restart_server(PostgresServer::End::fast);
        return "restart of the database server";
      case 2:
        server_->kill_session(url_);
        return "kill a session's process";
      default:
        server_->run_sql(url_,
                         "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                         "WHERE application_name = 'epic' AND random() < 0.7");
        return "end sessions";
    }
  }
  void restart_server(PostgresServer::End how) {
    server_->stop(how);
    ::poll(nullptr, 0, static_cast<int>(random_() % 500));  // how long it is away, in ms
    server_->start();
  }
  void start() {
    fabric_.emplace(project_, "unused", real_nodes("ledger", 4, [this](auto& options) {
                      if (server_ != nullptr)
                        options.store = storage::locate_store(url_, options.project_directory / ".epic");
                      options.restart = {.delay_first = std::chrono::milliseconds(10),
                                         .delay_max = std::chrono::milliseconds(100),
                                         .forget_after = std::chrono::seconds(1)};
                    }));
    fabric_->wait_for(" nodes, logs in ");  // "ready 4 nodes", or fewer when one has just died
  }
  /// A request that is impossible at the moment (for example, a node without a process) does not count as a fault.
  void try_ask(std::string_view verb, boost::json::object body) {
    const auto answer = fabric_->connect().request(verb, std::move(body));
    if (!answer && answer.error().code != cluster::ControlErrorCode::failed &&
        answer.error().code != cluster::ControlErrorCode::not_found)
      FAIL(verb << ": " << answer.error().message);
  }
  /// Runs in the background, during the faults that follow.
  void restart_rolling() {
    static_cast<void>(fabric_->connect().stream("restart", boost::json::object{{"rolling", true}},
                                                [](const boost::json::value&) { return false; }));
  }

  const ProjectDirectory& project_;
  std::mt19937_64 random_;
  PostgresServer* server_ = nullptr;
  std::string url_ = {};
  std::optional<Supervised> fabric_;
};

}  // namespace epic::test

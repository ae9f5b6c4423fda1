#pragma once
// Postgresql: coordination by a real server, in a database of the test's own.

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "cluster/coordination/postgres_coordination.hpp"
#include "support/coordination_service.hpp"
#include "support/postgres_server.hpp"

namespace epic::test {

class Postgresql final : public CoordinationServer {
 public:
  Postgresql() = default;
  Postgresql& operator=(const Postgresql&) = delete;
  ~Postgresql() override {  // the next test uses the same server
    if (server.process() < 0)
      server.start();
    else
      server.resume();
  }

  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.make_database();

  cluster::PostgresCoordination& connect() override { return connect_to(url); }
  /// A client through a relay, or for leases that are shorter or longer.
  cluster::PostgresCoordination& connect_to(const std::string& address,
                                            std::chrono::nanoseconds lease = std::chrono::seconds(15)) {
    return *clients_.emplace_back(std::make_unique<cluster::PostgresCoordination>(context_, address, lease));
  }
  [[nodiscard]] boost::asio::io_context& context() { return context_; }
  void run_some() override {
    context_.restart();
    if (context_.run_one_for(std::chrono::milliseconds(20)) > 0) context_.poll();
  }
  void kill(cluster::Coordination& client) override {
    std::erase_if(clients_, [&](const auto& one) { return one.get() == &client; });
  }
  void break_connections() override {
    server.run_sql(url,
                   "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
                   "AND application_name = 'epic'");
  }
  void crash() override { server.stop(PostgresServer::End::kill); }
  void start() override { server.start(); }
  void pause() override { server.pause(); }
  void resume() override { server.resume(); }

 private:
  boost::asio::io_context context_;
  std::vector<std::unique_ptr<cluster::PostgresCoordination>> clients_;
};

}  // namespace epic::test

#pragma once
// EtcdService: coordination by this process's etcd, through a relay that can break its connections.

#include <fmt/format.h>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <vector>

#include "cluster/coordination/etcd_coordination.hpp"
#include "support/coordination_service.hpp"
#include "support/etcd_server.hpp"
#include "support/tcp_relay.hpp"

namespace epic::test {

/// The server is back in order when this is destroyed.
class EtcdService final : public CoordinationServer {
 public:
  EtcdService() : relay_(context_, server_.port()) {}
  ~EtcdService() override {
    resume();
    start();
  }

  cluster::Coordination& connect() override { return connect_to({fmt::format("127.0.0.1:{}", relay_.port())}); }
  /// A client of other servers, or that knows them in another order.
  cluster::EtcdCoordination& connect_to(std::vector<std::string> endpoints,
                                        std::chrono::nanoseconds answer_timeout = std::chrono::seconds(5)) {
    auto made = cluster::EtcdCoordination::make(context_, {std::move(endpoints), name_, answer_timeout});
    if (!made) FAIL(made.error());
    clients_.push_back(*std::move(made));
    return *clients_.back();
  }
  void run_some() override {
    context_.restart();
    if (context_.poll() == 0) context_.run_one_for(std::chrono::milliseconds(20));
  }

  void kill(cluster::Coordination& client) override {
    std::erase_if(clients_, [&](const auto& one) { return one.get() == &client; });
  }
  void break_connections() override { relay_.cut(); }
  void crash() override {
    server_.kill();
    is_down_ = true;
  }
  void start() override {
    if (std::exchange(is_down_, false)) server_.restart();
  }
  void pause() override { server_.pause(); }
  void resume() override { server_.go_on(); }

  [[nodiscard]] EtcdServer& server() { return server_; }
  [[nodiscard]] TcpRelay& relay() { return relay_; }

 private:
  static std::string make_name() {
    static int last = 0;
    return fmt::format("fabric-{}", ++last);
  }

  EtcdServer& server_ = EtcdServer::shared();
  std::string name_ = make_name();
  boost::asio::io_context context_;
  TcpRelay relay_;
  std::vector<std::unique_ptr<cluster::EtcdCoordination>> clients_;
  bool is_down_ = false;
};

}  // namespace epic::test

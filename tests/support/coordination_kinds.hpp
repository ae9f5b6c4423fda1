#pragma once
// The kinds of Coordination, for the suites in tests/unit/cluster/coordination: a new kind joins here, and nowhere
// else.

#include <cstdint>
#include <deque>
#include <memory>

#include "cluster/coordination/local_coordination.hpp"
#include "cluster/sim/coordination_service.hpp"
#include "support/coordination_service.hpp"
#include "support/etcd_service.hpp"
#include "support/postgresql_service.hpp"

/// All kinds, by their CoordinationService: coordination_conformance_test.cpp.
#define EPIC_COORDINATIONS epic::test::Local, epic::test::Simulated, epic::test::Postgresql, epic::test::EtcdService
/// Those that are a CoordinationServer: coordination_server_test.cpp, too.
#define EPIC_COORDINATION_SERVERS epic::test::Postgresql, epic::test::EtcdService

namespace epic::test {

class Local final : public CoordinationService {
 public:
  cluster::Coordination& connect() override { return coordination_; }
  void run_some() override {
    for (; !posted_.empty(); posted_.pop_front()) posted_.front()();
  }

 private:
  std::deque<std::move_only_function<void()>> posted_;
  cluster::LocalCoordination coordination_{
      [] { return std::chrono::steady_clock::time_point(); },
      [this](std::move_only_function<void()> work) { posted_.push_back(std::move(work)); }};
};

/// That of a simulated world, over its network.
class Simulated final : public CoordinationService {
 public:
  cluster::Coordination& connect() override { return *(session_ = service_.connect(process_)); }
  void run_some() override { world_.run_for(std::chrono::milliseconds(10)); }

 private:
  struct Idle final : cluster::sim::Process {
    using Process::Process;
    void wake() override {}
    std::int64_t sleep() override { return INT64_MAX; }
  };
  cluster::sim::World world_{/*seed=*/1, /*timer_lateness=*/std::chrono::nanoseconds(0)};
  cluster::sim::CoordinationService service_{world_};
  Idle process_{world_};
  std::unique_ptr<cluster::Coordination> session_;
};

}  // namespace epic::test

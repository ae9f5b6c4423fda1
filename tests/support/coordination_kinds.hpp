#pragma once
// The kinds of Coordination, for the suites in tests/unit/cluster/coordination: a new kind joins here, and nowhere
// else.

#include <deque>

#include "cluster/coordination/local_coordination.hpp"
#include "support/coordination_service.hpp"
#include "support/etcd_service.hpp"
#include "support/postgresql_service.hpp"

/// All kinds, by their CoordinationService: coordination_conformance_test.cpp.
#define EPIC_COORDINATIONS epic::test::Local, epic::test::Postgresql, epic::test::EtcdService
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

}  // namespace epic::test

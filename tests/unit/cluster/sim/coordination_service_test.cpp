#include "cluster/sim/coordination_service.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace epic::cluster;
using namespace epic::cluster::sim;
using namespace std::chrono_literals;

namespace {

class IdleServiceUser final : public Process {
 public:
  using Process::Process;

 protected:
  void wake() override {}
  std::int64_t sleep() override { return INT64_MAX; }
};

struct CoordinationServiceFixture {
  World world{/*seed=*/1, /*timer_lateness=*/0ns};
  CoordinationService service{world};
  IdleServiceUser one{world};
  IdleServiceUser other{world};
  std::unique_ptr<Coordination> first = service.connect(one);
  std::unique_ptr<Coordination> second = service.connect(other);

  LeaseId open(Coordination& session) {
    LeaseId opened{0};
    session.open_lease(2s, [&](auto lease) { opened = lease.value(); });
    world.run_for(20ms);
    return opened;
  }
  std::optional<bool> put(Coordination& session, LeaseId lease) {
    std::optional<bool> is_put;
    session.put_if_absent("leader", "x", lease, [&](auto result) { is_put = result.value(); });
    world.run_for(20ms);
    return is_put;
  }
};

}  // namespace

TEST_CASE("simulated coordination: a lease that is not renewed ends, and its key is another's", "[sim]") {
  CoordinationServiceFixture f;
  std::vector<std::string> heard;
  f.second->watch(
      "", [&](const CoordinationChange& change) { heard.push_back(change.key + (change.value ? "" : " gone")); });
  const LeaseId lease = f.open(*f.first);
  const LeaseId rival = f.open(*f.second);
  CHECK(f.put(*f.first, lease) == true);
  f.world.run_for(1500ms);
  bool is_renewed = false;
  f.first->renew(lease, [&](auto result) { is_renewed = result.value(); });
  f.second->renew(rival, [](auto) {});
  f.world.run_for(1500ms);
  CHECK(is_renewed);
  CHECK(f.put(*f.second, rival) == false);
  f.second->renew(rival, [](auto) {});
  f.world.run_for(600ms);
  CHECK(f.put(*f.second, rival) == true);
  f.first->renew(lease, [&](auto result) { is_renewed = result.value(); });
  f.world.run_for(20ms);
  CHECK_FALSE(is_renewed);
  CHECK(heard == std::vector<std::string>{"leader", "leader gone", "leader"});
}

TEST_CASE("simulated coordination: what is asked while the service is away fails, and may have happened", "[sim]") {
  CoordinationServiceFixture f;
  const LeaseId lease = f.open(*f.first);
  int put_count = 0;
  for (int i = 0; i < 20; ++i) {
    f.service.set_away(true);
    std::optional<bool> has_failed;
    f.first->put_if_absent(std::to_string(i), "x", lease, [&](const auto& result) { has_failed = !result; });
    f.world.run_for(600ms);
    CHECK(has_failed == true);
    f.service.set_away(false);
    f.first->renew(lease, [](auto) {});
    f.first->put_if_absent(std::to_string(i), "y", lease, [&](const auto& is_put) { put_count += *is_put ? 1 : 0; });
    f.world.run_for(20ms);
  }
  CHECK(put_count > 0);
  CHECK(put_count < 20);
}

TEST_CASE("simulated coordination: a slow service counts from when it was asked, not from its answer", "[sim]") {
  CoordinationServiceFixture f;
  const LeaseId lease = f.open(*f.first);
  const LeaseId rival = f.open(*f.second);
  REQUIRE(f.put(*f.first, lease) == true);
  f.service.set_slowness(1800ms);
  bool is_answered = false;
  f.first->renew(lease, [&](auto) { is_answered = true; });
  f.second->renew(rival, [](auto) {});
  f.world.run_for(1990ms);
  CHECK(is_answered);
  f.service.set_slowness(0s);
  f.second->renew(rival, [](auto) {});
  f.world.run_for(20ms);
  CHECK(f.put(*f.second, rival) == true);
}

TEST_CASE("simulated coordination: nothing is called back for a process that is gone, or a session that has ended",
          "[sim]") {
  CoordinationServiceFixture f;
  int answers = 0;
  f.first->open_lease(2s, [&](const auto&) { ++answers; });
  f.first.reset();
  {
    IdleServiceUser third{f.world};
    const auto session = f.service.connect(third);
    session->open_lease(2s, [&](const auto&) { ++answers; });
  }
  f.world.run_for(1s);
  CHECK(answers == 0);
}

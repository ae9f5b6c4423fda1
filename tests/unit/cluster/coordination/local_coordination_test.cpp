#include "cluster/coordination/local_coordination.hpp"

#include <catch2/catch.hpp>
#include <utility>

using namespace epic::cluster;
using namespace std::chrono_literals;

namespace {

/// What it calls back runs at the end of each of these.
struct LocalCoordinationFixture {
  std::chrono::steady_clock::time_point now{};
  std::vector<std::move_only_function<void()>> posted;
  LocalCoordination coordination{[this] { return now; },
                                 [this](std::move_only_function<void()> work) { posted.push_back(std::move(work)); }};

  void settle() {
    for (auto& work : std::exchange(posted, {})) work();
  }
  LeaseId open_lease() {
    LeaseId opened{0};
    coordination.open_lease(1s, [&](auto lease) { opened = *lease; });
    settle();
    return opened;
  }
};

}  // namespace

TEST_CASE("local coordination: a lease that is not renewed is overdue, but keeps its keys until it is revoked",
          "[cluster]") {
  LocalCoordinationFixture f;
  const LeaseId quiet = f.open_lease();
  const LeaseId lively = f.open_lease();
  int changes = 0;
  f.coordination.watch("members/", [&](const CoordinationChange&) { ++changes; });
  f.coordination.put_if_absent("members/1", "1", quiet, [](const auto& is_put) { CHECK(*is_put); });
  f.settle();
  CHECK(changes == 1);

  f.now += 800ms;
  CHECK(f.coordination.list_overdue().empty());
  f.coordination.renew(lively, [](const auto& is_renewed) { CHECK(*is_renewed); });
  f.now += 300ms;
  f.settle();
  CHECK(f.coordination.list_overdue() == std::vector{quiet});
  CHECK(changes == 1);

  f.coordination.revoke(quiet, [](const auto&) {});
  f.settle();
  CHECK(f.coordination.list_overdue().empty());
  CHECK(changes == 2);
}

TEST_CASE("local coordination: after the keeper was away, nobody is overdue", "[cluster]") {
  LocalCoordinationFixture f;
  const LeaseId lease = f.open_lease();
  f.now += 1h;
  REQUIRE(f.coordination.list_overdue() == std::vector{lease});
  f.coordination.renew_all();
  CHECK(f.coordination.list_overdue().empty());
}

#include "cluster/coordination/lease_keeper.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <utility>
#include <vector>

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::io::BootTime;

namespace {

/// A service that answers when the test says so, what the test says.
struct HeldCoordination final : Coordination {
  std::vector<Done<LeaseId>> openings;
  std::vector<Done<bool>> renewals;
  std::vector<LeaseId> revoked;

  void open_lease(std::chrono::nanoseconds, Done<LeaseId> done) override { openings.push_back(std::move(done)); }
  void renew(LeaseId, Done<bool> done) override { renewals.push_back(std::move(done)); }
  void revoke(LeaseId lease, Done<void> done) override {
    revoked.push_back(lease);
    done({});
  }
  void put_if_absent(std::string_view, std::string_view, LeaseId, Done<bool>) override {}
  void watch(std::string_view, Watcher) override {}
};

const std::expected<bool, CoordinationError> kUnknown = std::unexpected(CoordinationError{"no connection"});

/// A lease of 10 s with a margin of 1 s; the boot clock begins at 100 s.
struct LeaseKeeperFixture {
  BootTime now{100s};
  std::optional<BootTime> wake_at;
  std::vector<BootTime> renewed;
  std::vector<std::string> delays;
  int lost = 0;
  HeldCoordination service;
  LeaseKeeper keeper{service,
                     {.timeout = 10s, .margin = 1s},
                     {.boot_now = [this] { return now; },
                      .wake_after = [this](std::chrono::nanoseconds delay) { wake_at = now + delay; },
                      .on_renewed = [this](BootTime until) { renewed.push_back(until); },
                      .on_lost = [this] { ++lost; },
                      .on_delayed = [this](const std::string& why) { delays.push_back(why); }}};

  /// Time passes, and the keeper is woken as it has asked to be.
  void pass(std::chrono::nanoseconds duration) {
    const BootTime end = now + duration;
    while (wake_at && *wake_at <= end) {
      now = std::max(now, *std::exchange(wake_at, std::nullopt));
      keeper.on_time();
    }
    now = end;
  }
  void open() {
    keeper.open();
    service.openings.back()(LeaseId{7});
  }
  static BootTime at(std::chrono::nanoseconds boot) { return BootTime(boot); }
};

}  // namespace

TEST_CASE("lease keeper: a lease is valid from before it was asked for, less the margin", "[cluster]") {
  LeaseKeeperFixture f;
  f.keeper.open();
  CHECK_FALSE(f.keeper.is_valid());
  f.now += 2s;
  f.service.openings.back()(LeaseId{7});

  CHECK(f.keeper.lease() == LeaseId{7});
  CHECK(f.renewed == std::vector{f.at(109s)});
  CHECK(f.keeper.is_valid());
  f.now = f.at(109s) - 1ns;
  CHECK(f.keeper.is_valid());
  f.now = f.at(109s);
  CHECK_FALSE(f.keeper.is_valid());
}

TEST_CASE("lease keeper: renews at a third of the timeout, counted from each sending", "[cluster]") {
  LeaseKeeperFixture f;
  f.open();
  f.pass(3333ms);
  CHECK(f.service.renewals.empty());
  f.pass(1ms);
  REQUIRE(f.service.renewals.size() == 1);
  const BootTime sent = f.now;
  f.pass(2s);
  CHECK(f.service.renewals.size() == 1);  // one at a time
  f.service.renewals.back()(true);

  CHECK(f.renewed.size() == 2);
  CHECK(f.keeper.valid_until() > sent + 8900ms);
  CHECK(f.keeper.valid_until() <= sent + 9s);
  f.pass(1332ms);
  CHECK(f.service.renewals.size() == 1);
  f.pass(2ms);
  CHECK(f.service.renewals.size() == 2);
}

TEST_CASE("lease keeper: a service that fails is asked again, and proves nothing meanwhile", "[cluster]") {
  LeaseKeeperFixture f;
  f.open();
  for (int i = 0; i < 20; ++i) {
    f.pass(4s);
    f.service.renewals.back()(kUnknown);
  }
  CHECK(f.renewed == std::vector{f.at(109s)});
  CHECK_FALSE(f.keeper.is_valid());
  CHECK(f.delays.size() == 20);
  CHECK(f.delays.front() == "no connection");
  CHECK(f.lost == 0);  // the service has not said so

  f.pass(500ms);
  f.service.renewals.back()(true);
  CHECK(f.keeper.is_valid());
}

TEST_CASE("lease keeper: an answer that comes twice or too late proves nothing", "[cluster]") {
  LeaseKeeperFixture f;
  f.open();
  f.pass(3400ms);
  f.service.renewals.back()(kUnknown);
  f.service.renewals.back()(true);  // after its connection was lost
  CHECK(f.renewed == std::vector{f.at(109s)});

  f.pass(500ms);
  REQUIRE(f.service.renewals.size() == 2);
  f.service.renewals.back()(true);
  const BootTime proved = f.keeper.valid_until();
  f.now += 2s;
  f.service.renewals.back()(true);
  f.service.renewals.front()(true);
  f.service.openings.back()(LeaseId{7});
  CHECK(f.keeper.valid_until() == proved);
  CHECK(f.renewed.size() == 2);
  CHECK(f.service.revoked.empty());
}

TEST_CASE("lease keeper: an answer that comes after the lease is over does not make it valid", "[cluster]") {
  LeaseKeeperFixture f;
  f.open();
  f.pass(3400ms);
  REQUIRE(f.service.renewals.size() == 1);
  f.now += 20s;  // the machine slept
  f.service.renewals.back()(true);
  CHECK_FALSE(f.keeper.is_valid());
  f.pass(0s);
  REQUIRE(f.service.renewals.size() == 2);  // at once
  f.service.renewals.back()(true);
  CHECK(f.keeper.is_valid());
  CHECK(f.lost == 0);
}

TEST_CASE("lease keeper: a lease that the service has ended is lost, whatever was proved", "[cluster]") {
  LeaseKeeperFixture f;
  f.open();
  f.pass(3400ms);
  f.service.renewals.back()(false);
  CHECK(f.lost == 1);
  CHECK_FALSE(f.keeper.is_valid());
  CHECK_FALSE(f.keeper.lease());
  f.pass(1min);
  CHECK(f.service.renewals.size() == 1);

  f.keeper.open();
  f.service.renewals.back()(true);
  CHECK_FALSE(f.keeper.is_valid());
  f.service.openings.back()(LeaseId{8});
  CHECK(f.keeper.lease() == LeaseId{8});
  CHECK(f.keeper.is_valid());
}

TEST_CASE("lease keeper: asks until there is a lease", "[cluster]") {
  LeaseKeeperFixture f;
  f.keeper.open();
  f.service.openings.back()(std::unexpected(CoordinationError{"no connection"}));
  CHECK(f.delays.size() == 1);
  f.pass(500ms);
  REQUIRE(f.service.openings.size() == 2);
  f.service.openings.back()(LeaseId{7});
  CHECK(f.renewed == std::vector{f.at(109500ms)});

  f.service.openings.front()(LeaseId{6});  // it had been opened after all: nobody would renew it
  CHECK(f.keeper.lease() == LeaseId{7});
  CHECK(f.service.revoked == std::vector{LeaseId{6}});
}

TEST_CASE("lease keeper: gives the lease back, also one that it does not know of yet", "[cluster]") {
  LeaseKeeperFixture f;
  int ended = 0;
  f.open();
  f.pass(3400ms);
  f.keeper.end([&] { ++ended; });
  CHECK(f.service.revoked == std::vector{LeaseId{7}});
  CHECK(ended == 1);
  CHECK_FALSE(f.keeper.is_valid());
  f.service.renewals.back()(true);
  CHECK_FALSE(f.keeper.is_valid());
  f.pass(1min);
  CHECK(f.service.renewals.size() == 1);

  f.keeper.open();
  f.keeper.end([&] { ++ended; });
  CHECK(ended == 2);
  f.service.openings.back()(LeaseId{8});
  CHECK_FALSE(f.keeper.lease());
  CHECK(f.service.revoked == std::vector{LeaseId{7}, LeaseId{8}});
  CHECK(f.lost == 0);
}

TEST_CASE("lease keeper: an answer that comes after its end is ignored", "[cluster]") {
  HeldCoordination service;
  int reports = 0;
  {
    LeaseKeeper keeper(service, {},
                       {.boot_now = [] { return BootTime(1s); },
                        .wake_after = [](auto) {},
                        .on_renewed = [&](BootTime) { ++reports; },
                        .on_lost = [&] { ++reports; },
                        .on_delayed = [&](const std::string&) { ++reports; }});
    keeper.open();
  }
  service.openings.back()(LeaseId{1});
  CHECK(reports == 0);
}

TEST_CASE("lease keeper: the margin has to cover the drift, and leaves a pause that is allowed", "[cluster]") {
  CHECK(longest_pause({.timeout = 10s, .margin = 1s}) == 990ms);
  CHECK(check_lease({.timeout = 10s, .margin = 1s}));
  CHECK(check_lease({.timeout = 10s, .margin = 11ms}));
  CHECK(check_lease({.timeout = 10s, .margin = 10ms}).error() ==
        "a lease of 10000ms needs a margin of more than 10ms, by which clocks may differ");
  CHECK(check_lease({.timeout = 10s, .margin = 5001ms}).error() ==
        "a lease of 10000ms leaves room for a margin of 5000ms at most, or it would be over before a late renewal "
        "arrives");
}

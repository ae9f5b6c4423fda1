// What every Coordination does that several processes ask over a network: their clients know nothing of each other, and
// connections and the server may break.

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "support/coordination_kinds.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::test::CoordinationUser;

namespace {

using Heard = std::vector<std::string>;
constexpr auto kShortLease = 2s;  // some servers have no shorter one

/// Until the server takes it: clients connect anew by themselves, and say so of what was under way.
bool put_at_last(epic::test::CoordinationService& service, CoordinationUser& user, std::string_view key,
                 std::string_view value, LeaseId lease) {
  std::optional<bool> is_put;
  service.run_until("the server takes a key again", [&] {
    const auto result =
        user.try_answer<bool>([&](auto done) { user.coordination.put_if_absent(key, value, lease, std::move(done)); });
    if (result) is_put = *result;
    return is_put.has_value();
  });
  return *is_put;
}

bool has_heard(const CoordinationUser& user, const std::string& change) {
  return std::ranges::find(user.heard_so_far(), change) != user.heard_so_far().end();
}

}  // namespace

TEMPLATE_TEST_CASE("coordination server: of two clients one wins, and both hear which", "[cluster][postgres]",
                   EPIC_COORDINATION_SERVERS) {
  TestType service;
  CoordinationUser first(service);
  CoordinationUser second(service);
  first.listen("leader");
  second.listen("leader");
  const LeaseId lease = first.open_lease();
  CHECK(first.put("leader", "1", lease));
  CHECK_FALSE(second.put("leader", "2", second.open_lease()));
  first.revoke(lease);
  CHECK(second.put("leader", "2", second.open_lease()));
  const Heard expected{"leader=1", "leader gone", "leader=2"};
  CHECK(first.heard() == expected);
  CHECK(second.heard() == expected);
}

TEMPLATE_TEST_CASE("coordination server: a lease that is not renewed ends, and another client hears of it",
                   "[cluster][postgres]", EPIC_COORDINATION_SERVERS) {
  TestType service;
  CoordinationUser holder(service);
  CoordinationUser other(service);
  other.listen("members/");
  const auto before = std::chrono::steady_clock::now();
  const LeaseId lease = holder.open_lease(kShortLease);
  REQUIRE(holder.put("members/1", "17", lease));
  REQUIRE(holder.put("members/2", "18", lease));
  SECTION("of a client that lives") {}
  SECTION("of one that has died") { service.kill(holder.coordination); }
  service.run_until("both members are gone", [&] { return has_heard(other, "members/2 gone"); });
  CHECK(std::chrono::steady_clock::now() - before >= kShortLease);
  CHECK(other.heard_so_far() == Heard{"members/1=17", "members/2=18", "members/1 gone", "members/2 gone"});
  CHECK_FALSE(other.renew(lease));
  CHECK_FALSE(other.put("members/1", "19", lease));
  CHECK(other.put("members/1", "19", other.open_lease()));
}

TEMPLATE_TEST_CASE("coordination server: a lease that is renewed lives on", "[cluster][postgres]",
                   EPIC_COORDINATION_SERVERS) {
  TestType service;
  CoordinationUser holder(service);
  CoordinationUser other(service);
  other.listen("members/");
  const LeaseId lease = holder.open_lease(kShortLease);
  REQUIRE(holder.put("members/1", "17", lease));
  const auto opened = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - opened < 2 * kShortLease) {
    const auto renewed = std::chrono::steady_clock::now();
    REQUIRE(holder.renew(lease));
    service.run_until("a fifth of the lease has passed",
                      [&] { return std::chrono::steady_clock::now() - renewed > kShortLease / 5; });
  }
  CHECK(other.heard() == Heard{"members/1=17"});
}

TEMPLATE_TEST_CASE("coordination server: connections that break lose no change, and none is heard twice",
                   "[cluster][postgres]", EPIC_COORDINATION_SERVERS) {
  TestType service;
  CoordinationUser holder(service);
  CoordinationUser other(service);
  other.listen("k");
  const LeaseId lease = holder.open_lease();
  const LeaseId short_lived = holder.open_lease();
  REQUIRE(holder.put("k0", "a", lease));
  REQUIRE(holder.put("k1", "a", short_lived));
  REQUIRE(other.heard() == Heard{"k0=a", "k1=a"});
  service.break_connections();
  CoordinationUser third(service);  // writes before the others are back, or after
  third.revoke(short_lived);
  REQUIRE(third.put("k1", "b", third.open_lease()));
  put_at_last(service, holder, "k2", "c", lease);
  service.run_until("the last change is heard", [&] { return has_heard(other, "k2=c"); });
  CHECK(other.heard_so_far() == Heard{"k0=a", "k1=a", "k1 gone", "k1=b", "k2=c"});
}

TEMPLATE_TEST_CASE("coordination server: a crash loses nothing that was answered, and all go on when it is back",
                   "[cluster][postgres]", EPIC_COORDINATION_SERVERS) {
  TestType service;
  CoordinationUser holder(service);
  CoordinationUser other(service);
  other.listen("k");
  const LeaseId lease = holder.open_lease();
  REQUIRE(holder.put("k0", "a", lease));
  REQUIRE(other.heard() == Heard{"k0=a"});
  service.crash();
  const auto lost = holder.try_answer<bool>([&](auto done) { holder.coordination.renew(lease, std::move(done)); });
  CHECK_FALSE(lost.has_value());
  service.start();
  CHECK_FALSE(put_at_last(service, holder, "k0", "b", lease));
  put_at_last(service, other, "k1", "b", lease);
  CHECK(holder.renew(lease));
  service.run_until("the last change is heard", [&] { return has_heard(other, "k1=b"); });
  CHECK(other.heard_so_far() == Heard{"k0=a", "k1=b"});
}

TEMPLATE_TEST_CASE("coordination server: while it answers nothing operations end with an error, and all go on after it",
                   "[cluster][postgres]", EPIC_COORDINATION_SERVERS) {
  TestType service;
  CoordinationUser holder(service);
  CoordinationUser other(service);
  other.listen("k");
  const LeaseId lease = holder.open_lease();
  REQUIRE(holder.put("k0", "a", lease));
  REQUIRE(other.heard() == Heard{"k0=a"});
  service.pause();
  const auto open = holder.try_answer<bool>(
      [&](auto done) { holder.coordination.put_if_absent("k1", "early", lease, std::move(done)); });
  REQUIRE_FALSE(open.has_value());
  CHECK_FALSE(open.error().message.empty());
  service.resume();
  // Nobody knows whether the first took effect; but if not by now, then never.
  const bool is_late = put_at_last(service, holder, "k1", "late", lease);
  put_at_last(service, holder, "k2", "c", lease);
  service.run_until("the last change is heard", [&] { return has_heard(other, "k2=c"); });
  CHECK(other.heard_so_far() == Heard{"k0=a", is_late ? "k1=late" : "k1=early", "k2=c"});
}

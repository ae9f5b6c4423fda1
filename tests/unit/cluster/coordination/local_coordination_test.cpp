#include "cluster/coordination/local_coordination.hpp"

#include <catch2/catch.hpp>

using namespace epic::cluster;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  std::chrono::steady_clock::time_point now{};
  LocalCoordination coordination{[this] { return now; }};
  std::vector<std::string> heard;

  void listen(std::string_view prefix) {
    coordination.watch(prefix, [this](const CoordinationChange& change) {
      heard.push_back(change.key + (change.value ? "=" + *change.value : " gone"));
    });
  }
};

}  // namespace

TEST_CASE("coordination: of two who put the same key the first wins", "[cluster]") {
  Fixture f;
  CHECK(f.coordination.put_if_absent("setup", "node-1", f.coordination.grant(1s)));
  CHECK_FALSE(f.coordination.put_if_absent("setup", "node-2", f.coordination.grant(1s)));
  CHECK(f.coordination.find("setup") == "node-1");
}

TEST_CASE("coordination: the end of a lease takes its keys along, and watchers hear of it", "[cluster]") {
  Fixture f;
  f.listen("members/");
  const LeaseId lease = f.coordination.grant(1s);
  REQUIRE(f.coordination.put_if_absent("members/2", "17", lease));
  REQUIRE(f.coordination.put_if_absent("other/2", "x", lease));
  f.coordination.revoke(lease);
  f.coordination.revoke(lease);

  CHECK(f.heard == std::vector<std::string>{"members/2=17", "members/2 gone"});
  CHECK(f.coordination.list("").empty());
  CHECK_FALSE(f.coordination.try_renew(lease));
  CHECK_FALSE(f.coordination.put_if_absent("members/2", "18", lease));
}

TEST_CASE("coordination: a lease that is not renewed is overdue, but keeps its keys until it is revoked", "[cluster]") {
  Fixture f;
  const LeaseId quiet = f.coordination.grant(1s);
  const LeaseId lively = f.coordination.grant(1s);
  REQUIRE(f.coordination.put_if_absent("members/1", "1", quiet));

  f.now += 800ms;
  CHECK(f.coordination.list_overdue().empty());
  CHECK(f.coordination.try_renew(lively));
  f.now += 300ms;
  CHECK(f.coordination.list_overdue() == std::vector{quiet});
  CHECK(f.coordination.find("members/1") == "1");

  f.coordination.revoke(quiet);
  CHECK(f.coordination.list_overdue().empty());
  CHECK_FALSE(f.coordination.find("members/1"));
}

TEST_CASE("coordination: after the keeper was away, nobody is overdue", "[cluster]") {
  Fixture f;
  const LeaseId lease = f.coordination.grant(1s);
  f.now += 1h;
  REQUIRE(f.coordination.list_overdue() == std::vector{lease});
  f.coordination.renew_all();
  CHECK(f.coordination.list_overdue().empty());
}

TEST_CASE("coordination: a listing is by key and stops at the end of its prefix", "[cluster]") {
  Fixture f;
  const LeaseId lease = f.coordination.grant(1s);
  for (const char* key : {"b/2", "a/1", "b/1", "c"}) REQUIRE(f.coordination.put_if_absent(key, key, lease));
  CHECK(f.coordination.list("b/") == std::vector<CoordinationEntry>{{"b/1", "b/1"}, {"b/2", "b/2"}});
}

TEST_CASE("coordination: a watcher may put a key itself", "[cluster]") {
  Fixture f;
  const LeaseId lease = f.coordination.grant(1s);
  f.coordination.watch("first",
                       [&](const CoordinationChange&) { (void)f.coordination.put_if_absent("second", "2", lease); });
  f.listen("");
  REQUIRE(f.coordination.put_if_absent("first", "1", lease));
  CHECK(f.coordination.find("second") == "2");
  CHECK(f.heard.size() == 2);
}

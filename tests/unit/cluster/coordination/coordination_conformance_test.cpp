// What every Coordination does, run against each of them.

#include <catch2/catch.hpp>
#include <deque>
#include <vector>

#include "cluster/coordination/local_coordination.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;

namespace {

/// `settle()` returns when everything that was begun has been answered.
struct Local {
  std::deque<std::move_only_function<void()>> posted;
  LocalCoordination held{[] { return std::chrono::steady_clock::time_point(); },
                         [this](std::move_only_function<void()> work) { posted.push_back(std::move(work)); }};
  Coordination& coordination = held;
  void settle() {
    for (; !posted.empty(); posted.pop_front()) posted.front()();
  }
};

template <class Keeper>
struct CoordinationConformanceFixture {
  Keeper keeper;
  Coordination& coordination = keeper.coordination;
  std::vector<std::string> heard;

  void listen(std::string_view prefix) {
    coordination.watch(prefix, [this](const CoordinationChange& change) {
      heard.push_back(change.key + (change.value ? "=" + *change.value : " gone"));
    });
  }
  LeaseId open_lease() {
    std::optional<LeaseId> opened;
    coordination.open_lease(1s, [&](auto lease) { opened = lease.value(); });
    keeper.settle();
    return opened.value();
  }
  bool put(std::string_view key, std::string_view value, LeaseId lease) {
    std::optional<bool> is_put;
    coordination.put_if_absent(key, value, lease, [&](auto result) { is_put = result.value(); });
    keeper.settle();
    return is_put.value();
  }
  bool renew(LeaseId lease) {
    std::optional<bool> is_renewed;
    coordination.renew(lease, [&](auto result) { is_renewed = result.value(); });
    keeper.settle();
    return is_renewed.value();
  }
  void revoke(LeaseId lease) {
    bool is_done = false;
    coordination.revoke(lease, [&](auto result) { is_done = result.has_value(); });
    keeper.settle();
    REQUIRE(is_done);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("coordination: of two who put the same key the first wins", "[cluster]", Local) {
  CoordinationConformanceFixture<TestType> f;
  f.listen("setup");
  CHECK(f.put("setup", "node-1", f.open_lease()));
  CHECK_FALSE(f.put("setup", "node-2", f.open_lease()));
  CHECK(f.heard == std::vector<std::string>{"setup=node-1"});
}

TEMPLATE_TEST_CASE("coordination: the end of a lease takes its keys along, and watchers hear of it", "[cluster]",
                   Local) {
  CoordinationConformanceFixture<TestType> f;
  f.listen("members/");
  const LeaseId lease = f.open_lease();
  REQUIRE(f.put("members/2", "17", lease));
  REQUIRE(f.put("other/2", "x", lease));
  CHECK(f.renew(lease));
  f.revoke(lease);
  f.revoke(lease);

  CHECK(f.heard == std::vector<std::string>{"members/2=17", "members/2 gone"});
  CHECK_FALSE(f.renew(lease));
  CHECK_FALSE(f.put("members/2", "18", lease));
  CHECK(f.put("members/2", "19", f.open_lease()));
}

TEMPLATE_TEST_CASE("coordination: nothing is answered before the call that began it returns", "[cluster]", Local) {
  CoordinationConformanceFixture<TestType> f;
  bool has_returned = false;
  int answers = 0;
  const auto check = [&](const auto&) {
    CHECK(has_returned);
    ++answers;
  };
  f.coordination.watch("", [&](const CoordinationChange&) { CHECK(has_returned); });
  const LeaseId lease = f.open_lease();
  f.coordination.open_lease(1s, check);
  f.coordination.put_if_absent("a", "1", lease, check);
  f.coordination.renew(lease, check);
  f.coordination.revoke(lease, check);
  has_returned = true;
  f.keeper.settle();
  CHECK(answers == 4);
}

TEMPLATE_TEST_CASE("coordination: answers and changes come in the order in which operations were begun", "[cluster]",
                   Local) {
  CoordinationConformanceFixture<TestType> f;
  f.listen("");
  const LeaseId lease = f.open_lease();
  std::vector<std::string> answers;
  for (const std::string key : {"b", "a", "c"})
    f.coordination.put_if_absent(key, key, lease, [&answers, key](const auto& is_put) {
      answers.push_back(key + (is_put.value() ? " put" : " refused"));
    });
  f.coordination.revoke(lease, [&](const auto&) { answers.emplace_back("revoked"); });
  f.coordination.put_if_absent(
      "d", "d", lease, [&](const auto& is_put) { answers.emplace_back(is_put.value() ? "d put" : "d refused"); });
  f.keeper.settle();
  CHECK(answers == std::vector<std::string>{"b put", "a put", "c put", "revoked", "d refused"});
  CHECK(f.heard == std::vector<std::string>{"b=b", "a=a", "c=c", "b gone", "a gone", "c gone"});
}

TEMPLATE_TEST_CASE("coordination: a watcher that comes late hears first of what is there, by key", "[cluster]", Local) {
  CoordinationConformanceFixture<TestType> f;
  const LeaseId lease = f.open_lease();
  for (const char* key : {"b/2", "a/1", "b/1", "c"}) REQUIRE(f.put(key, key, lease));
  f.listen("b/");
  REQUIRE(f.put("b/3", "b/3", lease));
  CHECK(f.heard == std::vector<std::string>{"b/1=b/1", "b/2=b/2", "b/3=b/3"});
}

TEMPLATE_TEST_CASE("coordination: what is called back may begin the next operation", "[cluster]", Local) {
  CoordinationConformanceFixture<TestType> f;
  const LeaseId lease = f.open_lease();
  bool is_second_put = false;
  f.coordination.watch("first", [&](const CoordinationChange&) {
    f.coordination.put_if_absent("second", "2", lease, [&](const auto& is_put) {
      is_second_put = is_put.value();
      f.coordination.watch("third", [](const CoordinationChange&) {});
    });
  });
  f.listen("");
  REQUIRE(f.put("first", "1", lease));
  f.keeper.settle();
  CHECK(is_second_put);
  CHECK(f.heard == std::vector<std::string>{"first=1", "second=2"});
}

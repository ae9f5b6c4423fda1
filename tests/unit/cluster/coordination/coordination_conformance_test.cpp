// What every Coordination does, run against each of them.

#include <catch2/catch.hpp>
#include <functional>
#include <utility>
#include <vector>

#include "support/coordination_kinds.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::test::CoordinationUser;

TEMPLATE_TEST_CASE("coordination: of two who put the same key the first wins", "[cluster]", EPIC_COORDINATIONS) {
  TestType service;
  CoordinationUser user(service);
  user.listen("setup");
  CHECK(user.put("setup", "node-1", user.open_lease()));
  CHECK_FALSE(user.put("setup", "node-2", user.open_lease()));
  CHECK(user.heard() == std::vector<std::string>{"setup=node-1"});
}

TEMPLATE_TEST_CASE("coordination: the end of a lease takes its keys along, and watchers hear of it", "[cluster]",
                   EPIC_COORDINATIONS) {
  TestType service;
  CoordinationUser user(service);
  user.listen("members/");
  const LeaseId lease = user.open_lease();
  REQUIRE(user.put("members/2", "17", lease));
  REQUIRE(user.put("other/2", "x", lease));
  CHECK(user.renew(lease));
  user.revoke(lease);
  user.revoke(lease);

  CHECK(user.heard() == std::vector<std::string>{"members/2=17", "members/2 gone"});
  CHECK_FALSE(user.renew(lease));
  CHECK_FALSE(user.put("members/2", "18", lease));
  CHECK(user.put("members/2", "19", user.open_lease()));
}

TEMPLATE_TEST_CASE("coordination: a value and a key may have any bytes", "[cluster]", EPIC_COORDINATIONS) {
  TestType service;
  CoordinationUser user(service);
  const std::string key("k\0\xff'\n\"", 6);
  const std::string value("\0\x80{}\\", 5);
  user.listen(std::string_view(key).substr(0, 3));
  REQUIRE(user.put(key, value, user.open_lease()));
  REQUIRE(user.put("k2", "", user.open_lease()));
  CHECK(user.heard() == std::vector<std::string>{key + "=" + value});
}

TEMPLATE_TEST_CASE("coordination: nothing is answered before the call that began it returns", "[cluster]",
                   EPIC_COORDINATIONS) {
  TestType service;
  CoordinationUser user(service);
  bool has_returned = false;
  int answers = 0;
  const auto check = [&](const auto&) {
    CHECK(has_returned);
    ++answers;
  };
  user.coordination.watch("", [&](const CoordinationChange&) { CHECK(has_returned); });
  const LeaseId lease = user.open_lease();
  user.coordination.open_lease(60s, check);
  user.coordination.put_if_absent("a", "1", lease, check);
  user.coordination.renew(lease, check);
  user.coordination.revoke(lease, check);
  has_returned = true;
  service.run_until("all are answered", [&] { return answers == 4; });
}

TEMPLATE_TEST_CASE("coordination: answers and changes come in the order in which operations were begun", "[cluster]",
                   EPIC_COORDINATIONS) {
  TestType service;
  CoordinationUser user(service);
  user.listen("");
  const LeaseId lease = user.open_lease();
  std::vector<std::string> answers;
  for (const std::string key : {"b", "a", "c"})
    user.coordination.put_if_absent(key, key, lease, [&answers, key](const auto& is_put) {
      answers.push_back(key + (is_put.value() ? " put" : " refused"));
    });
  user.coordination.revoke(lease, [&](const auto&) { answers.emplace_back("revoked"); });
  user.coordination.put_if_absent(
      "d", "d", lease, [&](const auto& is_put) { answers.emplace_back(is_put.value() ? "d put" : "d refused"); });
  CHECK(user.heard() == std::vector<std::string>{"b=b", "a=a", "c=c", "b gone", "a gone", "c gone"});
  CHECK(answers == std::vector<std::string>{"b put", "a put", "c put", "revoked", "d refused"});
}

TEMPLATE_TEST_CASE("coordination: a watcher that comes late hears first of what is there, by key", "[cluster]",
                   EPIC_COORDINATIONS) {
  TestType service;
  CoordinationUser user(service);
  const LeaseId lease = user.open_lease();
  for (const char* key : {"b/2", "a/1", "b/1", "c"}) REQUIRE(user.put(key, key, lease));
  user.listen("b/");
  REQUIRE(user.put("b/3", "b/3", lease));
  CHECK(user.heard() == std::vector<std::string>{"b/1=b/1", "b/2=b/2", "b/3=b/3"});
}

TEMPLATE_TEST_CASE("coordination: what is called back may begin the next operation", "[cluster]", EPIC_COORDINATIONS) {
  TestType service;
  CoordinationUser user(service);
  const LeaseId lease = user.open_lease();
  bool is_second_put = false;
  user.coordination.watch("first", [&](const CoordinationChange&) {
    user.coordination.put_if_absent("second", "2", lease, [&](const auto& is_put) {
      is_second_put = is_put.value();
      user.coordination.watch("third", [](const CoordinationChange&) {});
    });
  });
  user.listen("");
  REQUIRE(user.put("first", "1", lease));
  service.run_until("the second key is put", [&] { return is_second_put; });
  CHECK(user.heard() == std::vector<std::string>{"first=1", "second=2"});
}

TEMPLATE_TEST_CASE("coordination: what hears of a change may begin to watch, again and again", "[cluster]",
                   EPIC_COORDINATIONS) {
  TestType service;
  CoordinationUser user(service);
  const LeaseId lease = user.open_lease();
  std::size_t first = 0, others = 0;
  user.coordination.watch("a/", [&](const CoordinationChange&) {
    ++first;
    user.coordination.watch("b/", [&](const CoordinationChange&) { ++others; });
  });
  for (std::size_t i = 1; i <= 40; ++i) REQUIRE(user.put("a/" + std::to_string(i), "", lease));
  service.run_until("all changes are heard", [&] { return first == 40; });
  REQUIRE(user.put("b/1", "", lease));
  service.run_until("all hear of the next", [&] { return others == 40; });
}

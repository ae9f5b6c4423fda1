#include "cluster/coordination/etcd_coordination.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "cluster/coordination/etcd_http.hpp"
#include "support/etcd_service.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::test::CoordinationUser;
using epic::test::EtcdServer;
using epic::test::EtcdService;

namespace {

using Heard = std::vector<std::string>;
constexpr std::chrono::nanoseconds kShortAnswerTimeout = 500ms;

std::expected<bool, CoordinationError> try_put(CoordinationUser& user, std::string_view key, LeaseId lease) {
  return user.try_answer<bool>([&](auto done) { user.coordination.put_if_absent(key, "v", lease, std::move(done)); });
}

/// Repeats an operation until it is answered, as a user does whose servers are changing.
template <class Result>
Result answer_at_last(EtcdService& service, CoordinationUser& user,
                      const std::function<void(Coordination::Done<Result>)>& begin) {
  std::optional<Result> answer;
  service.run_until("an operation is answered without an error", [&] {
    if (const auto tried = user.try_answer<Result>(begin)) answer = *tried;
    return answer.has_value();
  });
  return *answer;
}

/// Of the same key, an earlier attempt may have put it.
void put_at_last(EtcdService& service, CoordinationUser& user, std::string_view key) {
  const auto lease =
      answer_at_last<LeaseId>(service, user, [&](auto done) { user.coordination.open_lease(60s, std::move(done)); });
  answer_at_last<bool>(service, user,
                       [&](auto done) { user.coordination.put_if_absent(key, "b", lease, std::move(done)); });
}

/// A stranger, whose changes do not come through the relay.
struct EtcdStranger : CoordinationUser {
  explicit EtcdStranger(EtcdService& service)
      : CoordinationUser(service, service.connect_to(service.server().endpoints())) {}
};

}  // namespace

TEST_CASE("etcd: addresses of servers", "[cluster]") {
  CHECK(parse_etcd_endpoint("10.0.0.1:23") == EtcdEndpoint{"10.0.0.1", 23});
  CHECK(parse_etcd_endpoint("http://etcd.lan/") == EtcdEndpoint{"etcd.lan", 2379});
  CHECK(parse_etcd_endpoint("[::1]:9") == EtcdEndpoint{"::1", 9});
  CHECK(parse_etcd_endpoint("http://[fe80::1]") == EtcdEndpoint{"fe80::1", 2379});
  for (const char* const bad : {"", "http://", "a:", "a:0", "a:65536", "a:1x", "a/b:1", "u@a", "[::1", "[]:2"})
    CHECK(parse_etcd_endpoint(bad).error() ==
          fmt::format("'{}' is not the address of an etcd server, such as 10.0.0.1:2379", bad));
  CHECK(parse_etcd_endpoint("https://a:1").error() ==
        "epic reaches etcd without TLS only: leave https:// out of 'https://a:1'");
}

TEST_CASE("etcd: options that cannot work are refused", "[cluster]") {
  boost::asio::io_context context;
  CHECK(EtcdCoordination::make(context, {{}, "x"}).error() == "no address of an etcd server is given");
  CHECK(EtcdCoordination::make(context, {{"a"}, ""}).error() ==
        "'' cannot name keys in etcd: it is empty or has a '/'");
  CHECK(EtcdCoordination::make(context, {{"a"}, "a/b"}).error() ==
        "'a/b' cannot name keys in etcd: it is empty or has a '/'");
  CHECK(EtcdCoordination::make(context, {{"a", "https://b"}, "x"}).error().contains("https://b"));
}

TEST_CASE("etcd: fabrics with different names do not see each other", "[cluster]") {
  EtcdService service;
  EtcdService other_service;
  CoordinationUser user(service);
  CoordinationUser other(other_service);
  user.listen("");
  other.listen("");
  CHECK(user.put("a", "1", user.open_lease()));
  CHECK(other.put("a", "2", other.open_lease()));
  CHECK(user.heard() == Heard{"a=1"});
  CHECK(other.heard() == Heard{"a=2"});
}

TEST_CASE("etcd: a lease that is not renewed ends by itself, however short it was to be", "[cluster]") {
  EtcdService service;
  CoordinationUser user(service);
  user.listen("m/");
  const LeaseId lease = user.open_lease(1ms);
  const LeaseId other = user.open_lease(60s);
  REQUIRE(user.put("m/1", "x", lease));
  REQUIRE(user.put("m/2", "y", other));
  service.run_until("the lease has ended", [&] { return user.heard_so_far().size() == 3; });
  CHECK(user.heard() == Heard{"m/1=x", "m/2=y", "m/1 gone"});
  CHECK_FALSE(user.renew(lease));
  CHECK_FALSE(user.put("m/1", "z", lease));
  CHECK(user.renew(other));
}

TEST_CASE("etcd: revoke removes many keys in the order in which they were put, and only those of the lease",
          "[cluster]") {
  EtcdService service;
  CoordinationUser user(service);
  const LeaseId lease = user.open_lease();
  const LeaseId other = user.open_lease();
  REQUIRE(user.put("m/held", "x", other));
  Heard removed;
  for (std::size_t i = 0; i <= EtcdCoordination::kKeysAtOnceMax; ++i) {
    const std::string key = fmt::format("m/{}", 999 - i);
    REQUIRE(user.put(key, "x", lease));
    removed.push_back(key + " gone");
  }
  REQUIRE_FALSE(user.put("m/held", "y", lease));
  user.listen("m/");
  const std::size_t before = user.heard().size();
  user.revoke(lease);
  const Heard& heard = user.heard();
  CHECK(Heard(heard.begin() + static_cast<std::ptrdiff_t>(before), heard.end()) == removed);
}

TEST_CASE("etcd: keys that another process has put on a lease end with it", "[cluster]") {
  EtcdService service;
  CoordinationUser user(service);
  CoordinationUser other(service);
  user.listen("");
  const LeaseId lease = user.open_lease();
  REQUIRE(other.put("b", "1", lease));
  REQUIRE(user.put("a", "1", lease));
  user.revoke(lease);
  CHECK(user.heard() == Heard{"b=1", "a=1", "a gone", "b gone"});
}

TEST_CASE("etcd: an operation whose connection is lost is answered with an error, as is what waits behind it",
          "[cluster]") {
  EtcdService service;
  CoordinationUser user(service);
  EtcdStranger stranger(service);
  const LeaseId lease = user.open_lease();
  service.relay().swallow_answers(true);
  Heard answers;
  for (const std::string key : {"a", "b", "c"})
    user.coordination.put_if_absent(key, "1", lease, [&answers, key](const auto& put) {
      answers.push_back(key + (put ? *put ? " put" : " refused" : " error"));
    });
  service.run_until("etcd has carried out the first", [&] { return service.relay().swallowed_bytes() > 0; });
  CHECK(answers.empty());
  service.relay().swallow_answers(false);
  service.break_connections();
  service.run_until("all are answered", [&] { return answers.size() == 3; });
  CHECK(answers == Heard{"a error", "b error", "c error"});

  stranger.listen("");
  CHECK(stranger.heard() == Heard{"a=1"});
  CHECK_FALSE(user.put("a", "2", lease));
  CHECK(user.put("b", "2", lease));
  user.revoke(lease);
  CHECK(stranger.heard() == Heard{"a=1", "b=2", "a gone", "b gone"});
}

TEST_CASE("etcd: a connection that was lost between two operations does no harm", "[cluster]") {
  EtcdService service;
  CoordinationUser user(service);
  const LeaseId lease = user.open_lease();
  service.break_connections();
  CHECK(user.put("a", "1", lease));
}

TEST_CASE("etcd: what nobody takes is answered with an error", "[cluster]") {
  EtcdService service;
  CoordinationUser user(service);
  service.relay().refuse(true);
  const auto opened = user.try_answer<LeaseId>([&](auto done) { user.coordination.open_lease(60s, std::move(done)); });
  REQUIRE_FALSE(opened);
  CHECK(opened.error().message.contains("etcd"));
}

TEST_CASE("etcd: a watch goes on where its connection was lost, and hears everything once and in order", "[cluster]") {
  EtcdService service;
  CoordinationUser user(service);
  EtcdStranger stranger(service);
  const LeaseId lease = stranger.open_lease();
  user.listen("m/");
  REQUIRE(stranger.put("m/1", "a", lease));
  REQUIRE(user.heard() == Heard{"m/1=a"});

  service.relay().refuse(true);
  service.break_connections();
  REQUIRE(stranger.put("m/0", "b", lease));
  stranger.revoke(lease);
  const LeaseId next = stranger.open_lease();
  REQUIRE(stranger.put("m/1", "c", next));
  CHECK(user.heard_so_far() == Heard{"m/1=a"});

  service.relay().refuse(false);
  service.run_until("the last change is heard", [&] { return user.heard_so_far().size() >= 5; });
  CHECK(user.heard() == Heard{"m/1=a", "m/0=b", "m/1 gone", "m/0 gone", "m/1=c"});
}

TEST_CASE("etcd: a watch whose connection alone breaks silently goes on through another", "[cluster]") {
  EtcdService service;
  CoordinationUser user(service, service.connect_to({fmt::format("127.0.0.1:{}", service.relay().port())}, 2s));
  EtcdStranger stranger(service);
  const LeaseId lease = stranger.open_lease();
  user.listen("m/");
  REQUIRE(stranger.put("m/1", "a", lease));
  service.run_until("the watch is connected, besides the requests",
                    [&] { return service.relay().connection_count() == 2; });
  REQUIRE(stranger.put("m/2", "a", lease));
  service.run_until("both are heard", [&] { return user.heard_so_far().size() == 2; });

  service.relay().lose_packets(1);  // those of the watch
  Heard expected{"m/1=a", "m/2=a"};
  SECTION("a key is put") {
    REQUIRE(stranger.put("m/3", "b", stranger.open_lease()));
    expected.emplace_back("m/3=b");
  }
  SECTION("keys are gone") {
    stranger.revoke(lease);
    expected.insert(expected.end(), {"m/1 gone", "m/2 gone"});
  }
  service.run_until("the last change is heard", [&] { return user.heard_so_far().size() == expected.size(); });
  CHECK(user.heard_so_far() == expected);
}

TEST_CASE("etcd: of changes that were compacted away a watch hears the difference", "[cluster]") {
  EtcdService service;
  CoordinationUser user(service);
  EtcdStranger stranger(service);
  const LeaseId first = stranger.open_lease();
  const LeaseId second = stranger.open_lease();
  REQUIRE(stranger.put("m/1", "a", first));
  REQUIRE(stranger.put("m/2", "a", first));
  REQUIRE(stranger.put("m/3", "a", second));
  user.listen("m/");
  REQUIRE(user.heard() == Heard{"m/1=a", "m/2=a", "m/3=a"});

  service.relay().refuse(true);
  service.break_connections();
  stranger.revoke(first);
  const LeaseId third = stranger.open_lease();
  for (const char* const key : {"m/4", "m/1"}) REQUIRE(stranger.put(key, "b", third));
  service.server().compact();
  service.relay().refuse(false);
  service.run_until("the last change is heard", [&] { return user.heard_so_far().size() >= 7; });
  CHECK(user.heard() == Heard{"m/1=a", "m/2=a", "m/3=a", "m/1 gone", "m/2 gone", "m/4=b", "m/1=b"});
}

TEST_CASE("etcd: keys, leases and watches survive a restart of the server", "[cluster]") {
  EtcdService service;
  CoordinationUser user(service);
  const LeaseId lease = user.open_lease();
  user.listen("m/");
  REQUIRE(user.put("m/1", "a", lease));
  service.crash();
  CHECK_FALSE(try_put(user, "m/2", lease));
  service.start();
  CHECK(user.renew(lease));
  CHECK(user.put("m/2", "b", lease));
  CHECK(user.heard() == Heard{"m/1=a", "m/2=b"});
}

TEST_CASE("etcd: a watch hears that a server has lost its keys", "[cluster]") {
  EtcdService service;
  CoordinationUser user(service);
  user.listen("m/");
  const LeaseId lease = user.open_lease();
  REQUIRE(user.put("m/1", "a", lease));
  REQUIRE(user.heard() == Heard{"m/1=a"});
  service.server().kill();
  service.server().restart_empty();
  service.run_until("the key is gone", [&] { return user.heard_so_far().size() >= 2; });
  CHECK(user.heard_so_far() == Heard{"m/1=a", "m/1 gone"});
  CHECK_FALSE(user.renew(lease));
}

TEST_CASE("etcd: a lease ends while the server is paused", "[cluster]") {
  EtcdService service;
  CoordinationUser user(service, service.connect_to(service.server().endpoints(), kShortAnswerTimeout));
  user.listen("m/");
  const LeaseId lease = user.open_lease(1ms);
  REQUIRE(user.put("m/1", "a", lease));
  service.run_until("the key is heard", [&] { return user.heard_so_far().size() == 1; });
  service.pause();
  const auto paused = std::chrono::steady_clock::now();
  service.run_until("more than the shortest lease has passed",
                    [&] { return std::chrono::steady_clock::now() - paused > 3s; });
  service.resume();
  service.run_until("the lease has ended", [&] { return user.heard_so_far().size() == 2; });
  CHECK(user.heard_so_far() == Heard{"m/1=a", "m/1 gone"});
  CHECK_FALSE(answer_at_last<bool>(service, user, [&](auto done) { user.coordination.renew(lease, std::move(done)); }));
}

TEST_CASE("etcd: when the member in use is killed or paused, the others take over", "[cluster]") {
  EtcdServer servers(EtcdServer::Members::three);
  EtcdService service;
  const std::size_t leader = servers.leader();
  const bool is_killed = GENERATE(true, false);
  std::vector<std::string> endpoints = servers.endpoints();
  std::ranges::rotate(endpoints, endpoints.begin() + static_cast<std::ptrdiff_t>(leader));
  CoordinationUser user(service, service.connect_to(endpoints, kShortAnswerTimeout));
  CoordinationUser other(service, service.connect_to({endpoints[1]}));
  user.listen("m/");
  const LeaseId lease = user.open_lease();
  REQUIRE(user.put("m/1", "a", lease));
  REQUIRE(user.heard() == Heard{"m/1=a"});

  is_killed ? servers.kill(leader) : servers.pause(leader);
  CHECK(answer_at_last<bool>(service, user, [&](auto done) { user.coordination.renew(lease, std::move(done)); }));
  put_at_last(service, other, "m/2");
  service.run_until("the second key is heard", [&] { return user.heard_so_far().size() == 2; });
  CHECK(user.heard_so_far() == Heard{"m/1=a", "m/2=b"});
  CHECK_FALSE(answer_at_last<bool>(
      service, user, [&](auto done) { user.coordination.put_if_absent("m/1", "c", lease, std::move(done)); }));
}

TEST_CASE("etcd: a watch notices a member that is silent, though nothing is asked", "[cluster]") {
  EtcdServer servers(EtcdServer::Members::three);
  EtcdService service;
  const std::size_t follower = (servers.leader() + 1) % 3;
  std::vector<std::string> endpoints = servers.endpoints();
  std::ranges::rotate(endpoints, endpoints.begin() + static_cast<std::ptrdiff_t>(follower));
  CoordinationUser user(service, service.connect_to(endpoints, kShortAnswerTimeout));
  CoordinationUser other(service, service.connect_to({endpoints[1]}));
  user.listen("m/");
  REQUIRE(other.put("m/1", "a", other.open_lease()));
  service.run_until("the first change is heard", [&] { return user.heard_so_far().size() == 1; });

  servers.pause(follower);
  put_at_last(service, other, "m/2");
  service.run_until("the second change is heard", [&] { return user.heard_so_far().size() == 2; });
}

TEST_CASE("etcd: it may be destroyed at any time, also by what it calls back", "[cluster]") {
  EtcdService service;
  Coordination& client = service.connect();
  bool is_killed = false;
  bool is_answered_afterwards = false;
  const auto note_answer = [&](const auto&) { is_answered_afterwards |= is_killed; };
  client.watch("", [](const CoordinationChange&) {});
  client.open_lease(60s, [&](const auto&) {
    is_killed = true;
    service.kill(client);
  });
  client.renew(LeaseId{1}, note_answer);
  service.run_until("it is destroyed", [&] { return is_killed; });
  for (int i = 0; i < 30; ++i) service.run_some();
  CHECK_FALSE(is_answered_afterwards);

  // Wherever it is with its work, which depends on the server.
  Coordination& second = service.connect();
  is_killed = false;
  second.watch("", [](const CoordinationChange&) {});
  second.open_lease(60s, note_answer);
  for (int i = 0; i < 3; ++i) service.run_some();
  is_killed = true;
  service.kill(second);
  for (int i = 0; i < 30; ++i) service.run_some();
  CHECK_FALSE(is_answered_afterwards);
}

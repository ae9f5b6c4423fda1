#include "cluster/supervisor/membership.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cluster/coordination/local_coordination.hpp"
#include "support/fake_host.hpp"

namespace epic::cluster::test {
namespace {

using namespace std::chrono_literals;

/// A machine's way to a service that others use as well. Answers may be lost on it, after what was asked has happened.
class LossyCoordination final : public Coordination {
 public:
  explicit LossyCoordination(Coordination& service) : service_(service) {}

  void open_lease(std::chrono::nanoseconds timeout, Done<LeaseId> done) override {
    service_.open_lease(timeout, [this, done = std::move(done)](auto opened) mutable {
      if (opened) lease = *opened;
      done(opened);
    });
  }
  void renew(LeaseId id, Done<bool> done) override { service_.renew(id, std::move(done)); }
  void revoke(LeaseId id, Done<void> done) override { service_.revoke(id, std::move(done)); }
  void put_if_absent(std::string_view key, std::string_view value, LeaseId id, Done<bool> done) override {
    service_.put_if_absent(key, value, id, [this, done = std::move(done)](auto is_put) mutable {
      if (answers_lost > 0) {
        --answers_lost;
        return done(std::unexpected(CoordinationError{"the connection was lost"}));
      }
      done(is_put);
    });
  }
  void watch(std::string_view prefix, Watcher watcher) override { service_.watch(prefix, std::move(watcher)); }

  std::optional<LeaseId> lease;
  int answers_lost = 0;  // how many of the next to put_if_absent

 private:
  Coordination& service_;
};

struct Machine {
  Machine(FakeHost& host, Coordination& service, const std::string& name, bool joins, int answers_lost = 0,
          const std::string& waits_for = {})
      : way(service),
        membership(host, way, {.machine = name, .address = "/" + name, .joins = joins, .waits_for = waits_for},
                   {.boot_now = [&host] { return host.boot_now(); },
                    .on_machine =
                        [this](const std::string& machine, const std::optional<std::string>& address) {
                          seen.push_back(address ? machine + " at " + *address : machine + " gone");
                        },
                    .on_leader = [this](const auto& machine) { seen.push_back(machine.value_or("nobody") + " leads"); },
                    .on_lead = [this] { ++leads; },
                    .on_renewed = [](io::BootTime) {},
                    .on_lost = [this](const std::string& why) { lost = why; },
                    .on_no_fabric = [this] { is_alone = true; },
                    .on_delayed = [](const std::string&) {},
                    .on_evicted = [this](const std::string& why) { evicted = why; },
                    .on_waiting =
                        [this](const std::string& machine, const std::optional<std::string>& why) {
                          seen.push_back(why ? machine + " waits: " + *why : machine + " waits no more");
                        },
                    .hesitates = [this] { return hesitates; }}) {
    way.answers_lost = answers_lost;
    membership.start();
  }
  LossyCoordination way;
  std::vector<std::string> seen;
  int leads = 0;
  std::string lost;
  std::string evicted;
  bool hesitates = false;
  bool is_alone = false;
  Membership membership;
};

struct MembershipFixture {
  FakeHost host;
  LocalCoordination service{[this] { return host.now(); }, [this](Host::Task task) { host.post(std::move(task)); }};

  void pass(std::chrono::nanoseconds duration) {
    host.settle();
    for (const auto until = host.now() + duration; host.run_timer(until);) host.settle();
  }
};

}  // namespace

TEST_CASE("membership: the first machine leads, and others learn where it is", "[cluster]") {
  MembershipFixture f;
  Machine oak(f.host, f.service, "oak", /*joins=*/false);
  f.pass(1s);
  CHECK(oak.leads == 1);
  Machine elm(f.host, f.service, "elm", /*joins=*/true);
  f.pass(30s);
  CHECK(elm.leads == 0);
  CHECK(elm.seen == std::vector<std::string>{"oak at /oak", "oak leads", "elm at /elm"});
  CHECK(oak.seen == std::vector<std::string>{"oak at /oak", "elm at /elm"});
}

TEST_CASE("membership: when the leader's lease ends one of the others leads, and the former knows", "[cluster]") {
  MembershipFixture f;
  Machine oak(f.host, f.service, "oak", /*joins=*/false);
  f.pass(1s);
  Machine elm(f.host, f.service, "elm", /*joins=*/true);
  Machine ash(f.host, f.service, "ash", /*joins=*/false);
  f.pass(1s);
  f.service.revoke(*oak.way.lease, [](const auto&) {});
  f.pass(20s);
  CHECK(elm.leads + ash.leads == 1);
  CHECK(oak.leads == 1);
  CHECK_FALSE(oak.lost.empty());
}

TEST_CASE("membership: a put whose answer was lost counts", "[cluster]") {
  MembershipFixture f;
  Machine oak(f.host, f.service, "oak", /*joins=*/false, /*answers_lost=*/2);  // of both of its keys
  f.pass(10s);
  CHECK(oak.leads == 1);
  CHECK(oak.seen == std::vector<std::string>{"oak at /oak"});
  CHECK(oak.lost.empty());
}

TEST_CASE("membership: a machine that joins begins no fabric", "[cluster]") {
  MembershipFixture f;
  Machine elm(f.host, f.service, "elm", /*joins=*/true);
  f.pass(Membership::kJoinPatience + 1s);
  CHECK(elm.is_alone);
  CHECK(elm.leads == 0);
}

TEST_CASE("membership: one that has ended its lease takes part no more", "[cluster]") {
  MembershipFixture f;
  Machine oak(f.host, f.service, "oak", /*joins=*/false);
  Machine elm(f.host, f.service, "elm", /*joins=*/false);
  f.pass(1s);
  Machine& leader = oak.leads == 1 ? oak : elm;
  Machine& other = oak.leads == 1 ? elm : oak;
  bool is_ended = false;
  leader.membership.end([&] { is_ended = true; });
  f.pass(1s);
  CHECK(is_ended);
  CHECK(leader.lost.empty());
  CHECK(other.leads == 1);
}

TEST_CASE("membership: a machine that is evicted hears why, and gives its place back when it has stopped",
          "[cluster]") {
  MembershipFixture f;
  Machine oak(f.host, f.service, "oak", /*joins=*/false);
  f.pass(1s);
  Machine elm(f.host, f.service, "elm", /*joins=*/true);
  f.pass(1s);
  std::optional<bool> is_said;
  oak.membership.evict("elm", "cannot reach ash", [&](bool is_done) { is_said = is_done; });
  f.pass(1s);
  CHECK(is_said == true);
  CHECK(elm.evicted == "cannot reach ash");
  CHECK(elm.lost.empty());
  CHECK(oak.seen.back() == "elm at /elm");  // it may still serve
  elm.membership.end([] {});
  f.pass(1s);
  CHECK(oak.seen.back() == "elm gone");
}

TEST_CASE("membership: a machine that waits is seen waiting, and is one of the fabric when it may", "[cluster]") {
  MembershipFixture f;
  Machine oak(f.host, f.service, "oak", /*joins=*/false);
  f.pass(1s);
  Machine elm(f.host, f.service, "elm", /*joins=*/true, 0, "cannot reach ash");
  f.pass(30s);
  CHECK(oak.seen == std::vector<std::string>{"oak at /oak", "elm waits: cannot reach ash"});
  CHECK_FALSE(elm.is_alone);
  elm.membership.enter();
  f.pass(1s);
  CHECK(oak.seen.back() == "elm at /elm");
}

TEST_CASE("membership: a machine that waits leads no fabric, and ends when nobody does", "[cluster]") {
  MembershipFixture f;
  Machine oak(f.host, f.service, "oak", /*joins=*/false);
  f.pass(1s);
  Machine elm(f.host, f.service, "elm", /*joins=*/true, 0, "cannot reach ash");
  f.pass(1s);
  oak.membership.end([] {});
  f.pass(30s);
  CHECK(elm.leads == 0);
  CHECK(elm.is_alone);
}

TEST_CASE("membership: a machine that hesitates lets others lead, but not for ever", "[cluster]") {
  MembershipFixture f;
  Machine oak(f.host, f.service, "oak", /*joins=*/false);
  f.pass(1s);
  Machine elm(f.host, f.service, "elm", /*joins=*/false);
  elm.hesitates = true;
  f.pass(1s);
  oak.membership.end([] {});
  f.pass(1s);
  CHECK(elm.leads == 0);
  f.pass(10s);
  CHECK(elm.leads == 1);
}

}  // namespace epic::cluster::test

#include "cluster/supervisor/partitions.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace epic::cluster::test {
namespace {

using Silent = protocol::Unreached::Machine;

struct PartitionsFixture {
  Partitions partitions{4s};
  Host::TimePoint now{};
  std::vector<ConnectedMachine> machines{
      {.name = "oak", .shards = 4, .leads = true}, {.name = "elm", .shards = 4}, {.name = "ash", .shards = 4}};

  /// `reports` again and again, until something is decided.
  std::vector<Partitions::Eviction> pass(std::chrono::nanoseconds time,
                                         const std::vector<std::pair<std::string, std::string>>& reports) {
    const auto until = now + time;
    for (std::chrono::nanoseconds silence = kReportedAfter; now < until; now += 200ms, silence += 200ms) {
      for (const auto& [from, to] : reports) partitions.report(from, {{to, silence}}, now);
      if (auto decided = partitions.decide(machines, now); !decided.empty()) return decided;
    }
    return {};
  }
  static constexpr auto kReportedAfter = 2s;
};

}  // namespace

TEST_CASE("partitions: two machines that cannot reach each other wait for a lease, then one goes", "[cluster]") {
  PartitionsFixture f;
  CHECK(f.pass(2s, {{"elm", "ash"}}).empty());
  const auto decided = f.pass(6s, {{"elm", "ash"}});
  REQUIRE(decided.size() == 1);
  CHECK(decided[0] == Partitions::Eviction{"elm", {"ash"}});
  CHECK(describe(decided[0]) == "cannot reach ash");
  CHECK(f.now - Host::TimePoint{} < 2s + f.partitions.patience());
}

TEST_CASE("partitions: a cut that is healed before the lease has passed evicts nobody", "[cluster]") {
  PartitionsFixture f;
  CHECK(f.pass(3s, {{"elm", "ash"}}).empty());
  f.partitions.report("elm", {}, f.now);
  f.now += 10s;
  CHECK(f.partitions.decide(f.machines, f.now).empty());
}

TEST_CASE("partitions: a machine that says nothing any more proves nothing", "[cluster]") {
  PartitionsFixture f;
  CHECK(f.pass(3s, {{"elm", "ash"}}).empty());
  f.now += 4s;
  CHECK(f.partitions.decide(f.machines, f.now).empty());
}

TEST_CASE("partitions: a leader that reaches nobody gives way to those that may reach each other", "[cluster]") {
  PartitionsFixture f;
  f.now += 10s;
  f.partitions.report("oak", {{"ash", 9s}, {"elm", 9s}}, f.now);
  CHECK(f.partitions.decide(f.machines, f.now) == std::vector<Partitions::Eviction>{{"oak", {"ash", "elm"}}});
}

TEST_CASE("partitions: a leader that stops the fabric stays, and those go that it does not reach", "[cluster]") {
  PartitionsFixture f;
  f.machines.push_back({.name = "fir", .shards = 4});
  f.now += 10s;
  f.partitions.report("oak", {{"ash", 9s}, {"elm", 9s}}, f.now);
  CHECK(f.partitions.decide(f.machines, f.now, Partitions::Leader::stays) ==
        std::vector<Partitions::Eviction>{{"elm", {"oak"}}, {"ash", {"oak"}}});
}

TEST_CASE("partitions: of two machines the leader stays", "[cluster]") {
  PartitionsFixture f;
  f.machines.pop_back();
  f.partitions.report("oak", {{"elm", 9s}}, f.now);
  CHECK(f.partitions.decide(f.machines, f.now) == std::vector<Partitions::Eviction>{{"elm", {"oak"}}});
}

TEST_CASE("partitions: cuts that come a little later than the first are decided with it", "[cluster]") {
  PartitionsFixture f;
  f.machines.push_back({.name = "fir", .shards = 1});
  f.partitions.report("elm", {{"fir", 9s}}, f.now);
  f.partitions.report("ash", {{"elm", 5s}}, f.now);
  CHECK(f.partitions.decide(f.machines, f.now) == std::vector<Partitions::Eviction>{{"elm", {"ash", "fir"}}});
}

TEST_CASE("partitions: each is evicted once, unless that has failed", "[cluster]") {
  PartitionsFixture f;
  f.partitions.report("elm", {{"ash", 9s}}, f.now);
  CHECK(f.partitions.decide(f.machines, f.now).size() == 1);
  CHECK(f.partitions.decide(f.machines, f.now).empty());
  f.partitions.retry("elm");
  CHECK(f.partitions.decide(f.machines, f.now).size() == 1);
}

}  // namespace epic::cluster::test

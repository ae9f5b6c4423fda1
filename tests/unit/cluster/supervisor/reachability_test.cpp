#include "cluster/supervisor/reachability.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "support/fake_host.hpp"

using namespace std::chrono_literals;

namespace epic::cluster::test {
namespace {

/// To a machine that answers, unless it is cut off.
struct EchoLink final : LinkToLeader {
  EchoLink(FakeHost& its_host, const bool& cut) : host(its_host), is_cut(cut) {}
  void start(Events its_events) override { events = std::move(its_events); }
  void send(const protocol::FromMachine& message) override {
    ++asked;
    if (is_cut || !std::holds_alternative<protocol::ReachWanted>(message)) return;
    host.post([this] {
      if (!is_closed) events.on_message(protocol::Reached{.refused = {.wrong_secret = 3}});
    });
  }
  void close() override { is_closed = true; }
  [[nodiscard]] bool is_sent() const override { return true; }
  [[nodiscard]] std::size_t unsent_bytes() const override { return 0; }
  FakeHost& host;
  const bool& is_cut;
  Events events;
  int asked = 0;
  bool is_closed = false;
};

struct ReachFixture {
  FakeHost host;
  bool is_cut = false;
  bool is_listening = true;
  std::vector<std::shared_ptr<EchoLink>> links;  // shared with who has it open
  Reachability reach{host, [this](const std::string&) -> std::shared_ptr<LinkToLeader> {
                       if (!is_listening) return nullptr;
                       return links.emplace_back(std::make_shared<EchoLink>(host, is_cut));
                     }};

  void pass(std::chrono::nanoseconds duration) {
    host.settle();
    for (const auto until = host.now() + duration; host.run_timer(until);) host.settle();
  }
};

}  // namespace

TEST_CASE("reachability: a machine that answers is reached, over one link", "[cluster]") {
  ReachFixture f;
  CHECK(f.reach.reaches_all());
  f.reach.add("oak", "/oak");
  CHECK_FALSE(f.reach.reaches_all());
  f.pass(10s);
  CHECK(f.reach.reaches_all());
  CHECK(f.reach.list_silent().empty());
  REQUIRE(f.links.size() == 1);
  CHECK(f.links[0]->asked > 10);
  CHECK(f.reach.list_refused() == std::map<std::string, protocol::control::Refused>{{"oak", {.wrong_secret = 3}}});
}

TEST_CASE("reachability: one that does not answer is silent after a while, and until it answers again", "[cluster]") {
  ReachFixture f;
  f.reach.add("oak", "/oak");
  f.pass(3s);
  f.is_cut = true;
  f.pass(1s);
  CHECK(f.reach.list_silent().empty());
  f.pass(5s);
  REQUIRE(f.reach.list_silent().size() == 1);
  CHECK(f.reach.list_silent()[0].machine == "oak");
  CHECK(f.reach.list_silent()[0].silence >= 5s);
  CHECK_FALSE(f.reach.reaches_all());
  CHECK(f.links[0]->is_closed);  // it tries others
  f.is_cut = false;
  f.pass(2s);
  CHECK(f.reach.list_silent().empty());
  CHECK(f.reach.reaches_all());
}

TEST_CASE("reachability: one where nobody listens is silent, and one that is gone is not", "[cluster]") {
  ReachFixture f;
  f.is_listening = false;
  f.reach.add("oak", "/oak");
  f.pass(5s);
  CHECK(f.reach.list_silent().size() == 1);
  f.reach.remove("oak");
  CHECK(f.reach.list_silent().empty());
  CHECK(f.reach.reaches_all());
}

TEST_CASE("reachability: while this process stands still others do not grow silent", "[cluster]") {
  ReachFixture f;
  f.reach.add("oak", "/oak");
  f.pass(3s);
  f.is_cut = true;
  f.host.stand_still(20s);
  f.pass(500ms);
  CHECK(f.reach.list_silent().empty());
}

TEST_CASE("reachability: a link that ends is made again at the next time", "[cluster]") {
  ReachFixture f;
  f.reach.add("oak", "/oak");
  f.pass(100ms);
  f.links[0]->events.on_closed();
  f.pass(1s);
  CHECK(f.links.size() == 2);
  CHECK(f.reach.reaches_all());
}

}  // namespace epic::cluster::test

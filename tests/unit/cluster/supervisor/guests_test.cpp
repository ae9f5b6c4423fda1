#include "cluster/supervisor/guests.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "protocol/spoken.hpp"
#include "support/fake_host.hpp"

using namespace epic::cluster;
using namespace epic::protocol;
using namespace std::chrono_literals;
using epic::cluster::test::FakeHost;

namespace {

/// The link of a guest whose requests the test makes.
struct GuestLink final : LinkToMachine {
  void start(Events) override {}
  void send(const ToMachine& message) override { heard.push_back(message); }
  void close() override {}
  [[nodiscard]] bool is_sent() const override { return unsent == 0; }
  [[nodiscard]] std::size_t unsent_bytes() const override { return unsent; }
  void let_read_slowly() override { may_read_slowly = true; }

  [[nodiscard]] const GuestWelcome& welcome() const { return std::get<GuestWelcome>(heard.front()); }
  std::vector<ToMachine> heard;
  std::size_t unsent = 0;
  bool may_read_slowly = false;
};
using GuestLinkPtr = std::shared_ptr<GuestLink>;

struct GuestsFixture {
  GuestLinkPtr come(Spoken speaks = kSpoken) {
    auto link = std::make_shared<GuestLink>();
    CHECK(guests.try_take(GuestHello{.version = "0.0.1", .speaks = speaks}, link));
    return link;
  }
  bool ask(const GuestLinkPtr& link, std::uint64_t id) { return guests.try_take(MachineAsked{{id, "ps", "{}"}}, link); }

  void pass(std::chrono::seconds time) { CHECK_FALSE(host.run_timer(host.now() + time)); }

  FakeHost host;
  std::vector<ControlReply> replies;
  std::vector<const LinkToMachine*> dropped;
  Guests guests{{.host = host,
                 .version = "0.0.2",
                 .manifest = "[project]",
                 .on_request = [this](const ControlRequest&, ControlReply reply) { replies.push_back(reply); },
                 .drop =
                     [this](const LinkToMachine& link) {
                       dropped.push_back(&link);
                       guests.on_closed(link);
                     }},
                {.count_max = 2, .idle_max = 10s, .unsent_bytes_max = 100, .room_bytes = 10}};
};

}  // namespace

TEST_CASE_METHOD(GuestsFixture, "guests: one that greets gets the settings and answers to what it asks", "[cluster]") {
  const auto link = come();
  CHECK(link->welcome() == GuestWelcome{.version = "0.0.2", .speaks = kSpoken, .manifest = "[project]"});
  CHECK(link->may_read_slowly);
  REQUIRE(ask(link, 7));
  CHECK(replies[0].is_open());
  replies[0].finish(std::string_view("{}"));
  CHECK(std::get<MachineAnswered>(link->heard[1]).answer.id == 7);
}

TEST_CASE_METHOD(GuestsFixture, "guests: who has not greeted is not answered, and nobody greets twice", "[cluster]") {
  const auto link = std::make_shared<GuestLink>();
  CHECK_FALSE(ask(link, 1));
  CHECK(replies.empty());
  const auto guest = come();
  CHECK_FALSE(guests.try_take(GuestHello{.version = "0.0.1", .speaks = kSpoken}, guest));
}

TEST_CASE_METHOD(GuestsFixture, "guests: one that speaks what nobody here understands is told so", "[cluster]") {
  const auto link = come({.number = kSpoken.number + 5, .oldest = kSpoken.number + 1});
  CHECK(link->welcome().refusal ==
        "This is epic 0.0.1, and the fabric runs epic 0.0.2: the two do not understand each other.");
  CHECK(link->welcome().manifest.empty());
  CHECK_FALSE(ask(link, 1));
}

TEST_CASE_METHOD(GuestsFixture, "guests: one that does not read what it gets is dropped, and before that has no room",
                 "[cluster]") {
  const auto link = come();
  REQUIRE(ask(link, 1));
  CHECK(replies[0].has_room());
  link->unsent = 11;
  CHECK_FALSE(replies[0].has_room());
  replies[0].part(std::string_view("{}"));
  CHECK(dropped.empty());
  link->unsent = 101;
  replies[0].part(std::string_view("{}"));
  CHECK(dropped == std::vector<const LinkToMachine*>{link.get()});
  CHECK_FALSE(replies[0].is_open());
}

TEST_CASE_METHOD(GuestsFixture, "guests: one with nothing to wait for goes after a while", "[cluster]") {
  const auto idle = come();
  const auto busy = come();
  REQUIRE(ask(busy, 1));
  pass(10s);
  guests.drop_idle();
  CHECK(dropped == std::vector<const LinkToMachine*>{idle.get()});
}

TEST_CASE_METHOD(GuestsFixture, "guests: when all places are taken the one that has been idle longest makes room",
                 "[cluster]") {
  const auto first = come();
  pass(1s);
  const auto second = come();
  pass(1s);
  REQUIRE(ask(first, 1));
  replies[0].finish(std::string_view("{}"));
  const auto third = come();
  CHECK(third->welcome().refusal.empty());
  CHECK(dropped == std::vector<const LinkToMachine*>{second.get()});
  REQUIRE(ask(first, 2));
  REQUIRE(ask(third, 3));
  CHECK(come()->welcome().refusal == "Too many programs outside of the fabric ask it.");
}

#include "cluster/supervisor/leader_requests.hpp"

#include <catch2/catch.hpp>

#include "support/machines_fixture.hpp"

namespace epic::cluster::test {

TEST_CASE("leader requests: they come through any machine", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  auto& elm = fixture.add("elm");
  fixture.wait_until_level(4);
  const auto answers = std::make_shared<Answers>();

  elm.agent->ask({.id = 7, .verb = "ps", .body = "{}"}, ControlReply(answers, 7));
  fixture.wait_until([&] { return answers->is_ended(); });
  CHECK(answers->all.back().id == 7);
  CHECK(codec::read_described_text<control::Ps::Answer>(answers->all.back().body).value().nodes.size() == 4);
}

TEST_CASE("leader requests: the leader answers no longer for a client at another machine that has gone", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  auto& elm = fixture.add("elm");
  fixture.wait_until_level(4);
  auto reader = std::make_shared<Answers>();
  elm.agent->ask({.id = 7, .verb = "logs", .body = R"({"node":"","follow":true})"}, ControlReply(reader, 7));
  fixture.pass(std::chrono::milliseconds(100));
  const auto count_after_a_line = [&] {
    fixture.logs.add({fixture.host.wall_now(), "node-1", protocol::LogLevel::info, "", "a line"});
    static_cast<void>(fixture.ps());  // what is on its way arrives
    return elm.answered;
  };
  const std::size_t before = elm.answered;
  REQUIRE(count_after_a_line() == before + 1);

  SECTION("after a while it says so") {}
  SECTION("it was asked over a link before") {
    fixture.cut("elm");
    fixture.connect("elm");
  }
  reader.reset();
  fixture.pass(std::chrono::milliseconds(1100));
  static_cast<void>(count_after_a_line());  // the first part to come is one too many
  const std::size_t after = elm.answered;
  CHECK(count_after_a_line() == after);
}

TEST_CASE("leader requests: while there is no leader they wait for the next, up to their deadline", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  auto& elm = fixture.add("elm");
  fixture.wait_until_level(4);
  const auto ask = [&elm](std::string verb, std::string body) {
    const auto answers = std::make_shared<Answers>();
    elm.agent->ask({.id = 8, .verb = std::move(verb), .body = std::move(body)}, ControlReply(answers, 8));
    return answers;
  };

  const auto under_way = ask("ps", "{}");
  fixture.lose_leader();
  const auto waits = ask("ps", "{}");
  const auto hasty = ask("call", R"({"entity":"Page/1","method":"turn","timeout_ms":2500,"arguments":[]})");
  fixture.pass(std::chrono::milliseconds(2400));
  CHECK_FALSE(hasty->is_ended());
  CHECK(waits->all.size() == 2);
  CHECK(waits->all.back().status == AnswerStatus::waiting);
  CHECK_THAT(waits->all.back().body, Catch::Contains("another takes over once its lease of 5s has ended"));
  fixture.pass(std::chrono::milliseconds(200));
  REQUIRE(hasty->is_ended());
  CHECK(hasty->all.back().status == AnswerStatus::failed);
  CHECK_THAT(hasty->all.back().body, Catch::Contains("nothing was done"));

  fixture.lead("elm");
  for (const auto& answers : {under_way, waits}) {
    fixture.wait_until([&] { return answers->is_ended(); });
    CHECK(answers->all.back().status == AnswerStatus::ok);
  }

  fixture.cut("elm");
  const auto in_vain = ask("ps", "{}");
  fixture.pass(std::chrono::seconds(31));
  REQUIRE(in_vain->is_ended());
  CHECK(in_vain->all.back().status == AnswerStatus::failed);
}

TEST_CASE("leader requests: one that may have changed something is not asked again", "[cluster]") {
  MachinesFixture fixture;
  fixture.add("oak");
  fixture.lead("oak");
  auto& elm = fixture.add("elm");
  fixture.wait_until_level(4);
  const auto answers = std::make_shared<Answers>();
  elm.agent->ask({.id = 8, .verb = "release", .body = R"({"entity":"Page/1"})"}, ControlReply(answers, 8));
  fixture.lose_leader();
  REQUIRE(answers->is_ended());
  CHECK_THAT(answers->all.back().body, Catch::Contains("nobody knows whether it has carried out 'release'"));
}

}  // namespace epic::cluster::test

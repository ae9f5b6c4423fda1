#include "cluster/supervisor/node_requests.hpp"

#include <catch2/catch.hpp>

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::kernel::NodeId;
using epic::kernel::ShardId;
using epic::protocol::Answer;
using epic::protocol::AnswerStatus;

namespace {

struct NodeRequestsFixture {
  std::optional<NodeId> owner = NodeId{1};
  std::vector<std::pair<NodeId, std::uint64_t>> sent;
  std::vector<Answer> answers;
  std::vector<std::pair<NodeId, bool>> went_on;  // and whether more was requested
  NodeRequests requests{[this](NodeId node, const epic::protocol::ToNode& message) {
                          if (const auto* go_on = std::get_if<epic::protocol::GoOn>(&message))
                            went_on.emplace_back(node, go_on->is_wanted);
                          else
                            sent.emplace_back(node, std::get<epic::protocol::Request>(message).id);
                        },
                        [this](ShardId) { return owner; }};
  NodeRequests::TimePoint start{};

  NodeRequests::OnAnswer collect() {
    return [this](const Answer& answer) { answers.push_back(answer); };
  }
  void ask(Repeat repeat) { requests.to_owner(ShardId{3}, "inspect", "{}", repeat, start + 10s, collect()); }
  bool is_ended() const { return !answers.empty() && answers.back().last; }
};

}  // namespace

TEST_CASE("node requests: the owner's answer ends the request", "[cluster]") {
  NodeRequestsFixture f;
  f.ask(Repeat::safe);
  REQUIRE(f.sent.size() == 1);
  f.requests.on_answer(NodeId{2}, {f.sent[0].second, AnswerStatus::ok, "\"stranger\"", true});
  CHECK(f.answers.empty());
  f.requests.on_answer(NodeId{1}, {f.sent[0].second, AnswerStatus::ok, "1", true});
  f.requests.on_answer(NodeId{1}, {f.sent[0].second, AnswerStatus::ok, "2", true});
  REQUIRE(f.answers.size() == 1);
  CHECK(f.answers[0].body == "1");
  CHECK(f.requests.count() == 0);
}

TEST_CASE("node requests: one that meets a moving shard goes to the next owner", "[cluster]") {
  NodeRequestsFixture f;
  f.ask(Repeat::unsafe);
  f.requests.on_answer(NodeId{1}, {f.sent[0].second, AnswerStatus::not_owner, "", true});
  f.owner = NodeId{2};
  f.requests.on_owners_changed();
  REQUIRE(f.sent.size() == 2);
  CHECK(f.sent[1].first == NodeId{2});
  f.requests.on_owners_changed();
  CHECK(f.sent.size() == 2);
}

TEST_CASE("node requests: one whose refusal comes after the shard has gone on is sent on at once", "[cluster]") {
  NodeRequestsFixture f;
  f.ask(Repeat::unsafe);
  f.owner = NodeId{2};
  f.requests.on_owners_changed();
  CHECK(f.sent.size() == 1);  // the first node may still answer
  f.requests.on_answer(NodeId{1}, {f.sent[0].second, AnswerStatus::not_owner, "", true});
  REQUIRE(f.sent.size() == 2);
  CHECK(f.sent[1].first == NodeId{2});
  f.requests.on_answer(NodeId{2}, {f.sent[1].second, AnswerStatus::not_owner, "", true});
  CHECK(f.sent.size() == 2);  // not to the same node again
}

TEST_CASE("node requests: without an owner a request waits, until its deadline", "[cluster]") {
  NodeRequestsFixture f;
  f.owner.reset();
  f.ask(Repeat::safe);
  CHECK(f.sent.empty());
  f.requests.on_tick(f.start + 9s);
  CHECK(f.answers.empty());
  f.requests.on_tick(f.start + 10s);
  REQUIRE(f.is_ended());
  CHECK(f.answers[0].body.find("unavailable") != std::string::npos);
}

TEST_CASE("node requests: a death repeats the harmless and fails the rest", "[cluster]") {
  NodeRequestsFixture f;
  f.ask(Repeat::safe);
  f.ask(Repeat::unsafe);
  f.owner.reset();
  f.requests.on_left(NodeId{1}, "Bomb/x.poke");
  REQUIRE(f.answers.size() == 1);
  CHECK(f.answers[0].body.find("node_lost") != std::string::npos);
  CHECK(f.answers[0].body.find("died while it ran Bomb/x.poke") != std::string::npos);
  f.owner = NodeId{2};
  f.requests.on_owners_changed();
  REQUIRE(f.sent.size() == 3);
  f.requests.on_answer(NodeId{2}, {f.sent[2].second, AnswerStatus::ok, "1", true});
  CHECK(f.answers.back().body == "1");
}

TEST_CASE("node requests: answers of all nodes become one, without those that died", "[cluster]") {
  NodeRequestsFixture f;
  f.requests.to_all({NodeId{1}, NodeId{2}, NodeId{3}}, "ls", "{}", f.start + 10s, f.collect());
  const auto id = f.sent.at(0).second;
  f.requests.on_answer(NodeId{1}, {id, AnswerStatus::ok, "1", false});
  f.requests.on_answer(NodeId{2}, {id, AnswerStatus::ok, "2", true});
  f.requests.on_left(NodeId{3});
  CHECK_FALSE(f.is_ended());
  f.requests.on_answer(NodeId{1}, {id, AnswerStatus::ok, "", true});
  REQUIRE(f.is_ended());
  CHECK(f.answers.size() == 3);
  CHECK(f.answers.back().status == AnswerStatus::ok);
}

TEST_CASE("node requests: when every node fails, so does the request", "[cluster]") {
  NodeRequestsFixture f;
  f.requests.to_all({NodeId{1}, NodeId{2}}, "types", "{}", f.start + 10s, f.collect());
  f.requests.on_left(NodeId{1});
  f.requests.on_answer(NodeId{2}, {f.sent[0].second, AnswerStatus::bad_request, "{}", true});
  REQUIRE(f.answers.size() == 1);
  CHECK(f.answers[0].status == AnswerStatus::bad_request);
}

TEST_CASE("node requests: at the bound, and when the fabric stops, everybody gets an answer", "[cluster]") {
  NodeRequestsFixture f;
  f.owner.reset();
  for (std::size_t i = 0; i <= NodeRequests::kPendingMax; ++i) f.ask(Repeat::safe);
  REQUIRE(f.answers.size() == 1);
  CHECK(f.answers[0].body.find("overloaded") != std::string::npos);
  f.requests.fail_all("The fabric is stopping.");
  CHECK(f.answers.size() == NodeRequests::kPendingMax + 1);
  f.requests.to_all({}, "ls", "{}", f.start, f.collect());
  CHECK(f.answers.back().body.find("unavailable") != std::string::npos);
}

TEST_CASE("node requests: a node that wants room goes on when the reader has caught up", "[cluster]") {
  NodeRequestsFixture f;
  auto room = NodeRequests::Room::not_yet;
  f.requests.to_all({NodeId{1}, NodeId{2}}, "ls", "{}", f.start + 10s, f.collect(), [&] { return room; });
  const std::uint64_t id = f.sent[0].second;
  f.requests.on_answer(NodeId{1}, {id, AnswerStatus::ok, "1", false, /*wants_room=*/true});
  CHECK(f.answers.size() == 1);
  f.requests.on_room();
  CHECK(f.went_on.empty());
  room = NodeRequests::Room::yes;
  f.requests.on_room();
  CHECK(f.went_on == std::vector<std::pair<NodeId, bool>>{{NodeId{1}, true}});
  f.requests.on_room();
  CHECK(f.went_on.size() == 1);
  f.requests.on_answer(NodeId{2}, {id, AnswerStatus::ok, "2", false, /*wants_room=*/true});
  CHECK(f.went_on.back() == std::pair{NodeId{2}, true});
}

TEST_CASE("node requests: when nobody reads, or the request has ended, the node is told to stop", "[cluster]") {
  NodeRequestsFixture f;
  auto room = NodeRequests::Room::not_yet;
  f.requests.to_all({NodeId{1}}, "ls", "{}", f.start + 10s, f.collect(), [&] { return room; });
  const std::uint64_t id = f.sent[0].second;
  f.requests.on_answer(NodeId{1}, {id, AnswerStatus::ok, "1", false, /*wants_room=*/true});
  room = NodeRequests::Room::nobody_reads;
  f.requests.on_room();
  CHECK(f.went_on.back() == std::pair{NodeId{1}, false});
  room = NodeRequests::Room::not_yet;
  f.requests.on_answer(NodeId{1}, {id, AnswerStatus::ok, "2", false, /*wants_room=*/true});
  f.requests.on_tick(f.start + 11s);
  CHECK(f.is_ended());
  CHECK(f.went_on.size() == 2);
  f.requests.on_answer(NodeId{1}, {id, AnswerStatus::ok, "3", false, /*wants_room=*/true});
  CHECK(f.went_on.size() == 3);
  CHECK_FALSE(f.went_on.back().second);
}

TEST_CASE("node requests: a node that does not begin to answer is named, and what the others know is passed on",
          "[cluster]") {
  NodeRequestsFixture f;
  f.requests.to_all({NodeId{1}, NodeId{2}}, "ls", "{}", f.start + 10h, f.collect());
  f.requests.on_tick(f.start);
  f.requests.on_answer(NodeId{1}, {.id = 1, .status = AnswerStatus::ok, .body = "one", .last = true});
  f.requests.on_tick(f.start + 1400ms);
  CHECK(f.answers.size() == 1);
  f.requests.on_tick(f.start + 1500ms);
  REQUIRE(f.answers.size() == 2);
  CHECK(f.answers.back().last);
  CHECK(f.answers.back().body.find("node-2 did not answer within 1.5 s") != std::string::npos);
  CHECK(f.requests.count() == 0);
}

TEST_CASE("node requests: one that has ended is not waited for as silent as well", "[cluster]") {
  NodeRequestsFixture f;
  f.requests.to_all({NodeId{1}, NodeId{2}}, "ls", "{}", f.start + 1h, f.collect());
  f.requests.on_tick(f.start);
  f.requests.on_left(NodeId{2});
  f.requests.on_tick(f.start + 1500ms);
  REQUIRE(f.is_ended());
  CHECK(f.answers.size() == 1);
  CHECK(f.answers[0].body.find("node-1 did not answer") != std::string::npos);
  CHECK(f.requests.count() == 0);
}

TEST_CASE("node requests: a node that has begun to answer may take its time", "[cluster]") {
  NodeRequestsFixture f;
  f.requests.to_all({NodeId{1}}, "ls", "{}", f.start + 10h, f.collect());
  f.requests.on_tick(f.start);
  f.requests.on_answer(NodeId{1}, {.id = 1, .status = AnswerStatus::ok, .body = "one", .last = false});
  f.requests.on_tick(f.start + 1h);
  CHECK(f.requests.count() == 1);
}

#include "cluster/control/control_reply.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace epic::cluster;
using epic::protocol::ControlAnswer;

namespace {

struct Connection final : ControlReply::Sink {
  void send(const ControlAnswer& answer) override { sent.push_back(answer); }
  [[nodiscard]] bool is_open() const override { return is_connected; }
  [[nodiscard]] bool has_room() const override { return sent.size() < 2; }

  std::vector<ControlAnswer> sent;
  bool is_connected = true;
};

}  // namespace

TEST_CASE("control reply: parts are sent in order under the request's id, and nothing after the last", "[cluster]") {
  const auto connection = std::make_shared<Connection>();
  const ControlReply reply(connection, 7);
  reply.part(std::string_view("1"));
  CHECK(reply.is_open());
  CHECK(reply.has_room());
  reply.finish(std::string_view("2"));
  CHECK_FALSE(reply.is_open());
  CHECK_FALSE(reply.has_room());
  reply.part(std::string_view("3"));
  reply.fail(AnswerStatus::failed, "too late");
  CHECK(connection->sent == std::vector<ControlAnswer>{{7, AnswerStatus::ok, "1", false}, {7, AnswerStatus::ok, "2"}});
}

TEST_CASE("control reply: a request that every copy has dropped ends with a failure", "[cluster]") {
  const auto connection = std::make_shared<Connection>();
  auto reply = std::make_optional<ControlReply>(connection, 7);
  auto copy = reply;
  reply.reset();
  CHECK(connection->sent.empty());
  copy.reset();
  REQUIRE(connection->sent.size() == 1);
  CHECK(connection->sent[0].status == AnswerStatus::failed);
  CHECK(connection->sent[0].last);
}

TEST_CASE("control reply: it may outlive its connection", "[cluster]") {
  auto connection = std::make_shared<Connection>();
  const ControlReply reply(connection, 7);
  connection->is_connected = false;
  CHECK_FALSE(reply.is_open());
  connection.reset();
  CHECK_FALSE(reply.is_open());
  CHECK_FALSE(reply.has_room());
  reply.finish();
}

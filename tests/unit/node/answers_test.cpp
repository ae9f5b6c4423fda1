#include "node/answers.hpp"

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

using namespace epic::node;
using epic::protocol::AnswerStatus;
namespace json = boost::json;

TEST_CASE("answers: one that no frame could carry is refused with its size", "[node]") {
  CHECK(make_answer(7, json::object{{"state", "small"}}).status == AnswerStatus::ok);
  const auto answer = make_answer(7, json::object{{"state", std::string(epic::protocol::kAnswerBytesMax, 'x')}});
  CHECK(answer.id == 7);
  CHECK(answer.status == AnswerStatus::failed);
  CHECK(answer.last);
  CHECK_THAT(answer.body, Catch::Contains("the answer has 62914572 bytes as JSON"));
}

TEST_CASE("answers: a long message is cut between two letters", "[node]") {
  std::string message(64 * 1024 - 1, 'x');
  message += "\u20ac and more";
  const auto answer = make_failure(7, AnswerStatus::failed, message);
  CHECK(answer.body == R"({"message":")" + message.substr(0, 64 * 1024 - 1) + R"(","detail":null})");
}

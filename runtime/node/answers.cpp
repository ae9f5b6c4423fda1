#include "node/answers.hpp"

#include <utility>

#include "codec/described_json.hpp"
#include "protocol/json.hpp"

namespace epic::node {

namespace json = boost::json;
using protocol::Answer;
using protocol::AnswerStatus;

namespace {

constexpr std::size_t kMessageBytesMax = 64 * 1024;  // an exception's message can have any length

/// The longest prefix of the text that has at most `max` bytes and ends between two characters.
std::size_t length_of(std::string_view text, std::size_t max) {
  if (text.size() <= max) return text.size();
  while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xC0U) == 0x80U) --max;
  return max;
}

AnswerStatus status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::no_such_type:
    case ErrorCode::no_such_method:
      return AnswerStatus::not_found;
    case ErrorCode::bad_arguments:
      return AnswerStatus::bad_request;
    default:
      return AnswerStatus::failed;
  }
}

}  // namespace

Answer make_answer(std::uint64_t id, const json::value& body) {
  std::string text = protocol::print_json(body);
  if (text.size() > protocol::kAnswerBytesMax) return make_too_large(id, text.size());
  return {.id = id, .status = AnswerStatus::ok, .body = std::move(text), .last = true};
}

Answer make_too_large(std::uint64_t id, std::size_t bytes, std::string_view about) {
  return make_failure(id, AnswerStatus::failed,
                      fmt::format("the answer has {}{} bytes as JSON, and the limit of a running fabric is {}", about,
                                  bytes, protocol::kAnswerBytesMax));
}

Answer make_failure(std::uint64_t id, AnswerStatus status, std::string_view message,
                    std::optional<protocol::control::FailureDetail> detail) {
  const protocol::control::FailureBody body{std::string(message.substr(0, length_of(message, kMessageBytesMax))),
                                            std::move(detail)};
  return {.id = id, .status = status, .body = codec::describe_text(body), .last = true};
}

Answer make_failure(std::uint64_t id, const kernel::ErrorPart& error) {
  protocol::control::FailureDetail detail{.error = std::string(to_string(error.code))};
  const bool is_thrown = !error.exception_type.empty();  // by the method: it was found, and its arguments fitted
  if (is_thrown) detail.exception = error.exception_type;
  return make_failure(id, is_thrown ? AnswerStatus::failed : status_of(error.code), error.message, std::move(detail));
}

}  // namespace epic::node

#pragma once
// What the tests of stored answers share: answers to calls with idempotency keys, and operations on them in one line.

#include "support/store_fixtures.hpp"

namespace epic::storage::test {

inline constexpr std::int64_t kBegunAtNs = 1'700'000'000'000'000'000;

/// To a call of Account/a on shard 0 that has begun.
inline Answer begun(std::string key, std::int64_t begun_at_ns = kBegunAtNs,
                    kernel::ShardId shard = kernel::ShardId{0}) {
  return {.id = {.shard = shard, .entity = "Account/a", .subject = "alice", .key = std::move(key)},
          .method = "withdraw",
          .arguments_schema = kSchema,
          .arguments_hash = 0xfedc'ba98'7654'3210,
          .begun_at_ns = begun_at_ns};
}

inline AnswerEnd returned(std::string_view text) {
  return {.status = AnswerStatus::returned, .schema = kSchema, .bytes = bytes_of(text)};
}
inline AnswerEnd threw(std::string_view text) {
  return {.status = AnswerStatus::threw,
          .schema = {},
          .error_code = 1,
          .error_type = "std::out_of_range",
          .bytes = bytes_of(text)};
}
inline Answer with_end(Answer answer, AnswerEnd end) {
  answer.end = std::move(end);
  return answer;
}

inline Operation put(Answer answer) { return PutAnswer{std::move(answer)}; }
inline Operation ended(const Answer& answer, AnswerEnd end) {
  return EndAnswer{.id = answer.id, .end = std::move(end)};
}
inline Operation swept(std::int64_t begun_before_ns, std::uint32_t rows_max,
                       kernel::ShardId shard = kernel::ShardId{0}) {
  return SweepAnswers{.shard = shard, .begun_before_ns = begun_before_ns, .rows_max = rows_max};
}

}  // namespace epic::storage::test

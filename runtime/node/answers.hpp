#pragma once
// Answers: what a node's answers have in common.

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "epic/error.hpp"
#include "kernel/ids.hpp"
#include "kernel/messages.hpp"
#include "protocol/control_verb.hpp"
#include "protocol/supervision.hpp"

namespace epic::node {

/// Replaced by a failure if it would be too large.
[[nodiscard]] protocol::Answer make_answer(std::uint64_t id, const boost::json::value& body);
/// The failure for an answer of this size; `about` stands before it: "at least ".
[[nodiscard]] protocol::Answer make_too_large(std::uint64_t id, std::size_t bytes, std::string_view about = {});
/// A long message is truncated.
[[nodiscard]] protocol::Answer make_failure(std::uint64_t id, protocol::AnswerStatus status, std::string_view message,
                                            std::optional<protocol::control::FailureDetail> detail = {});
[[nodiscard]] protocol::Answer make_failure(std::uint64_t id, const kernel::ErrorPart& error);

/// How a schema's id is written everywhere.
[[nodiscard]] inline std::string hex(kernel::SchemaId schema) { return fmt::format("{:016x}", schema); }

}  // namespace epic::node

#pragma once
// VerbInfo: what the control plane must know about a verb besides its structs.

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace epic::protocol::control {

enum class AnsweredBy : std::uint8_t {
  supervisor,
  owner,      // the node that owns the entity's shard; while the shard moves, the request waits for the next owner
  all_nodes,  // each for what it owns; the supervisor joins the answers
};

enum class Parts : std::uint8_t { one, many };

/// May the request be repeated on another node if one has died over it?
enum class Repeat : std::uint8_t { safe, unsafe };

struct VerbInfo {
  std::string_view name;
  AnsweredBy answered_by = AnsweredBy::supervisor;
  Parts parts = Parts::one;
  Repeat repeat = Repeat::safe;
};

/// What a failure may report besides its message.
struct FailureDetail {
  std::optional<std::string> error = {};      // a name of epic::to_string(ErrorCode)
  std::optional<std::string> exception = {};  // type of a method's exception
  std::optional<std::string> hint = {};       // what to do
  std::optional<std::string> log = {};        // the file with details
};
BOOST_DESCRIBE_STRUCT(FailureDetail, (), (error, exception, hint, log))

/// The body of a failure.
struct FailureBody {
  std::string message;
  std::optional<FailureDetail> detail = {};
};
BOOST_DESCRIBE_STRUCT(FailureBody, (), (message, detail))

/// A request without fields.
struct Nothing {};
BOOST_DESCRIBE_STRUCT(Nothing, (), ())

}  // namespace epic::protocol::control

#pragma once
// Errors: the small family of errors that the runtime reports to entities and clients.
//
// A call ends in a result, in an exception from the callee's method, or in one of the errors here; each error says
// whether the method may have run. A method's exception arrives the same way wherever the method ran: an error of this
// family as itself, an exception of the standard library as its nearest standard type with the same text, everything
// else as CallFailed. An error of this family that a method lets through still refers to the call named in its text.

#include <boost/describe/enum.hpp>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace epic {

/// What went wrong with a call; the number crosses processes.
enum class ErrorCode : std::uint8_t {
  call_failed = 1,         // the callee's method threw
  unavailable = 2,         // not started: no owner, shutting down, store full
  overloaded = 3,          // not started: a queue is full
  deadlock = 4,            // not started: the call would wait for itself
  timeout = 5,             // unknown: the deadline passed, the method may still run
  node_lost = 6,           // unknown: the process that ran it has died
  no_such_type = 7,        // not started: no loaded module has an entity class of this name
  no_such_method = 8,      // not started
  bad_arguments = 9,       // not started: the arguments do not fit the method
  activation_failed = 10,  // not started: loading the state, the constructor or on_activate failed
  state_too_large = 11,    // the change was undone: the encoded state exceeds its limit
  internal = 12,           // a bug in epic
  cancelled = 13,          // unknown: nobody needs the outcome any longer
  interrupted = 14,        // unknown: its first turn took effect, and it was cut short; its key never runs again
};
BOOST_DESCRIBE_ENUM(ErrorCode, call_failed, unavailable, overloaded, deadlock, timeout, node_lost, no_such_type,
                    no_such_method, bad_arguments, activation_failed, state_too_large, internal, cancelled, interrupted)

/// The spelling used in logs, JSON and on the wire: "unavailable", "timeout", …
std::string_view to_string(ErrorCode code);

/// Base of the family. what() is a full sentence that names the entity, the method and the cause.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

#define EPIC_DEFINE_ERROR(Name, code_value)                                   \
  class Name : public Error {                                                 \
   public:                                                                    \
    explicit Name(const std::string& message) : Error(code_value, message) {} \
  }

EPIC_DEFINE_ERROR(Unavailable, ErrorCode::unavailable);
EPIC_DEFINE_ERROR(Overloaded, ErrorCode::overloaded);
EPIC_DEFINE_ERROR(Deadlock, ErrorCode::deadlock);
EPIC_DEFINE_ERROR(Timeout, ErrorCode::timeout);
EPIC_DEFINE_ERROR(NodeLost, ErrorCode::node_lost);
EPIC_DEFINE_ERROR(NoSuchType, ErrorCode::no_such_type);
EPIC_DEFINE_ERROR(NoSuchMethod, ErrorCode::no_such_method);
EPIC_DEFINE_ERROR(BadArguments, ErrorCode::bad_arguments);
EPIC_DEFINE_ERROR(ActivationFailed, ErrorCode::activation_failed);
EPIC_DEFINE_ERROR(StateTooLarge, ErrorCode::state_too_large);
EPIC_DEFINE_ERROR(InternalError, ErrorCode::internal);
/// Thrown by the co_await at which a running task stands when it is cancelled. Let it pass: what goes on after it is
/// destroyed soon after, where it is suspended.
EPIC_DEFINE_ERROR(Cancelled, ErrorCode::cancelled);
/// A call with an idempotency key: its first turn took effect, and then the call was cut short by a crash, or by a move
/// that did not wait for it. How far it came is not known, and every repeat with this key gets this error.
EPIC_DEFINE_ERROR(Interrupted, ErrorCode::interrupted);
#undef EPIC_DEFINE_ERROR

/// The callee's method threw an exception of a user's class, or something that is not a std::exception.
class CallFailed : public Error {
 public:
  CallFailed(std::string type_name, const std::string& message)
      : Error(ErrorCode::call_failed, message), type_name_(std::move(type_name)) {}
  /// The C++ name of the exception's type, for example "std::invalid_argument".
  [[nodiscard]] const std::string& type_name() const { return type_name_; }

 private:
  std::string type_name_;
};

}  // namespace epic

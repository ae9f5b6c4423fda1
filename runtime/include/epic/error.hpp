#pragma once
// Errors: the one small family that an entity or a client ever sees from the runtime.
//
// A call ends in a result, in an exception of the callee's method, or in one of the errors here, each of which says
// whether the method may have run. What a method throws arrives the same way wherever it ran: errors of this family as
// themselves, exceptions of the standard library as their nearest standard type with the same text, and everything else
// as CallFailed. An error of this family that a method lets through still speaks of the call that its text names.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace epic {

/// What went wrong with a call, as a number that crosses processes.
enum class ErrorCode : std::uint8_t {
  call_failed = 1,         // the callee's method threw
  unavailable = 2,         // not started: no owner, shutting down, store full
  overloaded = 3,          // not started: a queue is at its bound
  deadlock = 4,            // not started: the call would wait for itself
  timeout = 5,             // unknown: the deadline passed, the method may still run
  node_lost = 6,           // unknown: the process that ran it is gone
  no_such_type = 7,        // not started: no loaded module has an entity class of this name
  no_such_method = 8,      // not started
  bad_arguments = 9,       // not started: the arguments do not fit the method
  activation_failed = 10,  // not started: stored state or constructor or on_activate failed
  state_too_large = 11,    // the change was refused and undone: encoded state is above its bound
  internal = 12,           // a bug of epic's
};

/// The spelling used in logs, JSON and on the wire: "unavailable", "timeout", …
std::string_view to_string(ErrorCode code);

/// Base of the family. what() is a full sentence that names the entity, method and cause.
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
#undef EPIC_DEFINE_ERROR

/// The callee's method threw an exception of a class of the user's own, or something that is not a std::exception.
class CallFailed : public Error {
 public:
  CallFailed(std::string type_name, const std::string& message)
      : Error(ErrorCode::call_failed, message), type_name_(std::move(type_name)) {}
  /// The C++ name of the exception's type, such as "std::invalid_argument".
  [[nodiscard]] const std::string& type_name() const { return type_name_; }

 private:
  std::string type_name_;
};

}  // namespace epic

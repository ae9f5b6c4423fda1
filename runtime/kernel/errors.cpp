#include "kernel/errors.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <typeinfo>

namespace epic {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::call_failed:
      return "call_failed";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::overloaded:
      return "overloaded";
    case ErrorCode::deadlock:
      return "deadlock";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::node_lost:
      return "node_lost";
    case ErrorCode::no_such_type:
      return "no_such_type";
    case ErrorCode::no_such_method:
      return "no_such_method";
    case ErrorCode::bad_arguments:
      return "bad_arguments";
    case ErrorCode::activation_failed:
      return "activation_failed";
    case ErrorCode::state_too_large:
      return "state_too_large";
    case ErrorCode::internal:
      return "internal";
  }
  return "unknown";
}

}  // namespace epic

namespace epic::kernel {

namespace {

std::string readable_type(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 ? std::string(text.get()) : std::string(type.name());
}

}  // namespace

std::exception_ptr make_exception(ErrorCode code, const std::string& message, const std::string& exception_type) {
  switch (code) {
    case ErrorCode::call_failed:
      return std::make_exception_ptr(CallFailed(exception_type, message));
    case ErrorCode::unavailable:
      return std::make_exception_ptr(Unavailable(message));
    case ErrorCode::overloaded:
      return std::make_exception_ptr(Overloaded(message));
    case ErrorCode::deadlock:
      return std::make_exception_ptr(Deadlock(message));
    case ErrorCode::timeout:
      return std::make_exception_ptr(Timeout(message));
    case ErrorCode::node_lost:
      return std::make_exception_ptr(NodeLost(message));
    case ErrorCode::no_such_type:
      return std::make_exception_ptr(NoSuchType(message));
    case ErrorCode::no_such_method:
      return std::make_exception_ptr(NoSuchMethod(message));
    case ErrorCode::bad_arguments:
      return std::make_exception_ptr(BadArguments(message));
    case ErrorCode::activation_failed:
      return std::make_exception_ptr(ActivationFailed(message));
    case ErrorCode::state_too_large:
      return std::make_exception_ptr(StateTooLarge(message));
    case ErrorCode::internal:
      break;
  }
  return std::make_exception_ptr(InternalError(message));
}

ErrorPart describe_thrown(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const CallFailed& error) {
    return {ErrorCode::call_failed, error.type_name(), error.what()};
  } catch (const std::exception& error) {
    return {ErrorCode::call_failed, readable_type(typeid(error)), error.what()};
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return {ErrorCode::call_failed, type == nullptr ? "unknown" : readable_type(*type),
            "an exception without a message"};
  }
}

ErrorPart describe_failure(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const CallFailed& error) {
    return {ErrorCode::call_failed, error.type_name(), error.what()};
  } catch (const Error& error) {
    return {error.code(), {}, error.what()};
  } catch (...) {
    return describe_thrown(failure);
  }
}

}  // namespace epic::kernel

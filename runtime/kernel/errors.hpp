#pragma once
// Errors on their way: an exception to what crosses processes, and back.

#include <exception>
#include <string>

#include "epic/error.hpp"
#include "kernel/messages.hpp"

namespace epic::kernel {

/// The exception of the family that `code` stands for. `exception_type` matters for call_failed only.
[[nodiscard]] std::exception_ptr make_exception(ErrorCode code, const std::string& message,
                                                const std::string& exception_type = {});

/// What a method threw, as a peer will hear of it: always call_failed, with the C++ name of the type.
[[nodiscard]] ErrorPart describe_thrown(const std::exception_ptr& thrown);

/// What the kernel itself ended a call with: its own code.
[[nodiscard]] ErrorPart describe_failure(const std::exception_ptr& failure);

}  // namespace epic::kernel

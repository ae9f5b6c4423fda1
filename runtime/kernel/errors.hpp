#pragma once
// Errors on their way: an exception to what crosses processes, and back.
//
// What a method throws arrives at its caller the same way wherever the method ran. So an exception is reduced to what
// can cross a process the moment it leaves the method, also when the caller is next door: epic::Error and its family
// stay themselves, exceptions of the standard library become their nearest standard type that is made from a text, and
// everything else becomes CallFailed with the name of its type.

#include <exception>
#include <string>

#include "epic/error.hpp"
#include "kernel/messages.hpp"

namespace epic::kernel {

/// The exception that a peer's error part stands for. `exception_type` names what a method threw; it is empty for an
/// error of the kernel's own.
[[nodiscard]] std::exception_ptr make_exception(ErrorCode code, const std::string& message,
                                                const std::string& exception_type = {});

/// What a method threw, as a peer receives it: `exception_type` is never empty, and a text above kErrorTextBytesMax is
/// cut.
[[nodiscard]] ErrorPart describe_thrown(const std::exception_ptr& thrown);

/// What ended a call: the kernel's own error, without `exception_type`, or what a method threw.
[[nodiscard]] ErrorPart describe_failure(const std::exception_ptr& failure);

/// `thrown` as the method's caller gets it; the same object if it is of a type that arrives as itself.
[[nodiscard]] std::exception_ptr as_received(const std::exception_ptr& thrown);

}  // namespace epic::kernel

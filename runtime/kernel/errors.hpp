#pragma once
// Converts exceptions to a form that can cross processes, and back.
//
// A method's exception arrives at its caller the same way wherever the method ran. So an exception is reduced to what
// can cross a process as soon as it leaves the method, even if the caller is on the same node: epic::Error and its
// family are kept, exceptions of the standard library become their nearest standard type that is made from a text, and
// everything else becomes CallFailed with the name of its type.

#include <exception>
#include <string>
#include <string_view>
#include <typeinfo>

#include "epic/error.hpp"
#include "kernel/messages.hpp"

namespace epic::kernel {

/// The exception for a peer's error part. `exception_type` names what a method threw; it is empty for an error of the
/// kernel.
[[nodiscard]] std::exception_ptr make_exception(ErrorCode code, const std::string& message,
                                                const std::string& exception_type = {});

/// A method's exception as sent to a peer: `exception_type` is never empty, and a text longer than kErrorTextBytesMax
/// is truncated. A text that people cannot read (empty, only control characters, not UTF-8) is replaced by one that
/// names the exception's type and `method`, if it is given.
[[nodiscard]] ErrorPart describe_thrown(const std::exception_ptr& thrown, std::string_view method = {});

/// How a call ended: the kernel's own error, without `exception_type`, or what a method threw.
[[nodiscard]] ErrorPart describe_failure(const std::exception_ptr& failure);

/// `thrown` as the method's caller gets it; the same object if its type is kept.
[[nodiscard]] std::exception_ptr as_received(const std::exception_ptr& thrown, std::string_view method = {});

/// As in the source: "std::invalid_argument".
[[nodiscard]] std::string readable_type(const std::type_info& type);

/// For the end of a NodeLost's message; empty if `running` is.
[[nodiscard]] std::string describe_death(std::string_view running);

}  // namespace epic::kernel

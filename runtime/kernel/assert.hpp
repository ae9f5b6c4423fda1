#pragma once
// EPIC_ASSERT: a bug of ours. On in every build; prints the sentence, where it stands and whom the node was running,
// and ends the process. What a user, a peer or a disk can cause is never an assert.

#include <fmt/format.h>

#include <string_view>

namespace epic::kernel {

/// Prints and aborts. What the thread was doing is taken from set_assert_context().
[[noreturn]] void fail_assert(const char* condition, const char* file, int line, std::string_view message);

/// Called for the text to add to a failure, such as "node-2, entity Player/Bob, turn 81". May be null.
using AssertContextFn = std::string (*)();
void set_assert_context(AssertContextFn context);

}  // namespace epic::kernel

#define EPIC_ASSERT(condition, ...)   \
  ((condition) ? static_cast<void>(0) \
               : ::epic::kernel::fail_assert(#condition, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)))

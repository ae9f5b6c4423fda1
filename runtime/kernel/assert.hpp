#pragma once
// EPIC_ASSERT: a bug in epic. Enabled in every build; prints the sentence, its place, and which entity the node was
// running, and aborts. What a user, a peer or a disk can cause is never an assert.

#include <fmt/format.h>

#include <string_view>

namespace epic::kernel {

/// Prints and aborts. set_assert_context() provides what the thread was doing.
[[noreturn]] void fail_assert(const char* condition, const char* file, int line, std::string_view message);

/// Returns text to add to a failure, for example "node-2, entity Player/Bob, turn 81". May be null.
using AssertContextFn = std::string (*)();
void set_assert_context(AssertContextFn context);

}  // namespace epic::kernel

#define EPIC_ASSERT(condition, ...)   \
  ((condition) ? static_cast<void>(0) \
               : ::epic::kernel::fail_assert(#condition, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)))

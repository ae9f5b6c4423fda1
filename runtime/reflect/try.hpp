#pragma once
// EPIC_TRY: the value of a std::expected; on an error, the function at hand returns that error.
//
//     const auto project = EPIC_TRY(context.project(arguments));
//
// Most errors only pass through. This says so in one place, so that what remains to be read is what a function does,
// and the errors that it adds something to.
//
// Not here: errors that change on the way; they are returned by hand.

#include <expected>
#include <utility>

// A statement expression, which clang has: an inline function could not return from its caller.
#define EPIC_TRY(...)                                                           \
  __extension__({                                                               \
    auto epic_result_ = (__VA_ARGS__);                                          \
    if (!epic_result_) return std::unexpected(std::move(epic_result_).error()); \
    *std::move(epic_result_);                                                   \
  })

#pragma once
// The only door to Cap'n Proto. Cap'n Proto 0.9.2 does not compile in C++20 and later: its blob.h compares
// `const char*` with kj::StringPtr, and the rewritten comparison operators make that ambiguous. Declaring the
// two exact operators before any of its headers settles the question.

#include <kj/string.h>

#include <cstring>

namespace kj {
inline bool operator==(const char* left, const StringPtr& right) { return right == StringPtr(left); }
inline bool operator!=(const char* left, const StringPtr& right) { return !(right == StringPtr(left)); }
}  // namespace kj

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstddef>
#include <vector>

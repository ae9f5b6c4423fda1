#pragma once
// How much memory of this process is in RAM.

#include <cstdint>

namespace epic::io {

/// 0 when the system does not say.
[[nodiscard]] std::uint64_t resident_bytes();

}  // namespace epic::io

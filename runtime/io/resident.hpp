#pragma once
// How much memory of this process is resident.

#include <cstdint>

namespace epic::io {

/// 0 if the system does not report it.
[[nodiscard]] std::uint64_t resident_bytes();

}  // namespace epic::io

#pragma once
// StrongId: a number with its own type, so that ids of different kinds cannot be confused. The ids of the system are in
// kernel/ids.hpp; SchemaId is here.

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <functional>

namespace epic::reflect {

/// Compares and hashes; arithmetic is explicit, through next() or value.
template <class Tag, class Rep>
struct StrongId {
  using EpicNumber = Rep;  // to the codecs it is that number
  Rep value{};
  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep initial) : value(initial) {}
  auto operator<=>(const StrongId&) const = default;
  [[nodiscard]] constexpr StrongId next() const { return StrongId{static_cast<Rep>(value + 1)}; }
};

/// Identifies a schema: the hash of its canonical text.
using SchemaId = StrongId<struct SchemaIdTag, std::uint64_t>;

}  // namespace epic::reflect

template <class Tag, class Rep>
struct std::hash<epic::reflect::StrongId<Tag, Rep>> {
  std::size_t operator()(epic::reflect::StrongId<Tag, Rep> id) const noexcept { return std::hash<Rep>{}(id.value); }
};

template <class Tag, class Rep>
struct fmt::formatter<epic::reflect::StrongId<Tag, Rep>> : fmt::formatter<Rep> {
  auto format(epic::reflect::StrongId<Tag, Rep> id, auto& context) const {
    return fmt::formatter<Rep>::format(id.value, context);
  }
};

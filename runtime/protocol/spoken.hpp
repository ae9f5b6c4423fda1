#pragma once
// Spoken: which versions of epic understand each other.
//
// Messages evolve by name (codec/message_frames.hpp): a field may be added at any time, and one side may know fields
// that the other does not. So versions of epic that differ can be parts of one fabric, and a program outside can be
// older or newer than the fabric that it asks. What names cannot carry has a number: it grows when a message changes
// its meaning, or when a part of a fabric has to rely on one that older versions do not know.
//
// To change what is said so that older versions misunderstand it: add one to `number` of kSpoken, and say in
// cluster/supervisor/former_versions.hpp what they do not know. When the code that handles them is removed, raise
// `oldest`.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <string>

namespace epic::protocol {

/// What a version of epic speaks.
struct Spoken {
  std::uint32_t number = 0;  // 0: a version from before these numbers
  std::uint32_t oldest = 0;  // that it understands
  bool operator==(const Spoken&) const = default;
};
BOOST_DESCRIBE_STRUCT(Spoken, (), (number, oldest))

/// What this version speaks.
inline constexpr Spoken kSpoken{.number = 1, .oldest = 0};

[[nodiscard]] constexpr bool understand_each_other(const Spoken& one, const Spoken& other) {
  return one.number >= other.oldest && other.number >= one.oldest;
}

}  // namespace epic::protocol

#pragma once
// Conversion: what happens to everything that was written with one schema when it is read as another type.
//
// Told before a single value is read, by walking the very ReadPlan that decoding goes by. So the two cannot disagree:
// a change that `fails` stands where decoding comes by whatever the value is, one that `may_fail` where it depends on
// the value (the elements of a list that may be empty, an enumerator that is gone), and all else is read.
//
// Not told, but that it may be (depends_on_values): more elements than an array has, two equal ones in a set, a time
// that its unit cannot hold. Not told at all: a number without a name in an enumeration whose C++ type has become too
// small for it. Schemas do not keep how large that type was; decoding refuses the value. Not here: which values there
// are. Who wants to know how many of them fail decodes them (node/check.hpp).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codec/read_plan.hpp"

namespace epic::codec {

enum class Effect : std::uint8_t {
  converts,  // every value is read
  may_fail,  // some values cannot be
  fails,     // no value can be
};

/// One difference that matters to values.
struct Change {
  enum class What : std::uint8_t {
    added,               // takes its default
    dropped,             // is ignored
    renamed,             // `was` and `is` are names
    widened,             // `was` and `is` are types, here and below
    made_optional,       //
    enumerators_moved,   // names have other numbers
    enumerator_dropped,  // `was` is its name: values that hold it cannot be read
    alternative_moved,   // of a variant; `was` and `is` are places, from 0
    unreadable,
  };
  What what;
  Effect effect;
  std::string field;  // "position.x", "bag[].count", as decoding names it; empty: the value itself
  std::string was;
  std::string is;
  bool operator==(const Change&) const = default;
};

struct Conversion {
  /// Empty: reads as it is. A difference inside a type that is met at several places is told for each, up to a bound.
  std::vector<Change> changes;
  /// Some values may be refused though schemas are equal: they do not keep how many elements an array has, whether each
  /// is there once, and in which unit time is counted.
  bool depends_on_values = false;
  /// The gravest effect; only asked when there are changes.
  [[nodiscard]] Effect effect() const;
};

inline constexpr std::size_t kChangesMax = 100;

[[nodiscard]] Conversion examine(const reflect::Schema& written, const reflect::TypeInfo& type);

[[nodiscard]] std::string_view to_string(Change::What what);
[[nodiscard]] std::string_view to_string(Effect effect);
/// "score: int32 becomes int64".
[[nodiscard]] std::string describe(const Change& change);

}  // namespace epic::codec

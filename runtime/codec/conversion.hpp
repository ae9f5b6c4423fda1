#pragma once
// Conversion: what happens to everything written with one schema when it is read as another type.
//
// Worked out before any value is read, from the same ReadPlan that decoding uses, so the two cannot disagree. A change
// that `fails` is one that decoding meets in every value; one that `may_fail` depends on the value (the elements of a
// list that may be empty, an enumerator that was removed); everything else can be read.
//
// Reported only as a possibility (depends_on_values): more elements than an array or bitset has, duplicates in a set,
// a key of a multimap twice in a map, a time that the unit cannot represent. Not reported: an unnamed value of an
// enumeration whose C++ type is now too small for it, since schemas do not record that size; decoding refuses it.
//
// Not here: how many stored values are affected; node/check.hpp decodes them to find out.

#include <boost/describe/enum.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codec/read_plan.hpp"

namespace epic::codec {

enum class Effect : std::uint8_t {
  converts,  // every value can be read
  may_fail,  // some values cannot be
  fails,     // no value can be read
};

BOOST_DESCRIBE_ENUM(Effect, converts, may_fail, fails)

/// One difference that affects values.
struct Change {
  enum class What : std::uint8_t {
    added,               // takes its default
    dropped,             // is ignored
    renamed,             // `was` and `is` are names
    widened,             // `was` and `is` are types, here and below
    made_optional,       //
    enumerators_moved,   // names have different numbers
    enumerator_dropped,  // `was` is its name: values that hold it cannot be read
    alternative_moved,   // of a variant; `was` and `is` are indices, from 0
    unreadable,
  };
  What what;
  Effect effect;
  std::string field;  // "position.x", "bag[].count", as decoding reports it; empty: the value itself
  std::string was;
  std::string is;
  bool operator==(const Change&) const = default;
};

BOOST_DESCRIBE_ENUM(Change::What, added, dropped, renamed, widened, made_optional, enumerators_moved,
                    enumerator_dropped, alternative_moved, unreadable)

struct Conversion {
  /// Empty if everything reads unchanged. A difference in a type that occurs in several places is listed for each, up
  /// to a limit.
  std::vector<Change> changes;
  /// Some values may be refused although no type has changed into one that cannot be read: schemas do not record the
  /// size of an array or whether elements are unique; and a time may not fit its new unit.
  bool depends_on_values = false;
  /// The most serious effect; call only if there are changes.
  [[nodiscard]] Effect effect() const;
};

inline constexpr std::size_t kChangesMax = 100;

[[nodiscard]] Conversion examine(const reflect::Schema& written, const reflect::TypeInfo& type);

/// "score: int32 becomes int64".
[[nodiscard]] std::string describe(const Change& change);

}  // namespace epic::codec

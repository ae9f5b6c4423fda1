#pragma once
// ReadPlan: how data written with one schema is read into the current type, worked out once per pair.
//
// Fields are matched by name (then by former names), parts of a tuple and of an expected by position, alternatives of a
// variant by type, enumerators by name. Method arguments, which have names only if their class gives them, are matched
// by position unless both sides have names. Numbers widen; a plain value may become an optional. Sent data may also be
// narrowed if the value fits, because a newer version of a class may have widened it while both versions run. Stored
// data may not, so that readability does not depend on values. What cannot be converted becomes a `mismatch`, which is
// an error only if such a value occurs: an empty list of unreadable elements is an empty list.
//
// Not here: bytes (capnp_reader.hpp).

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "codec/wire_layout.hpp"
#include "epic/type_info.hpp"
#include "reflect/schema.hpp"

namespace epic::codec {

enum class Reading : std::uint8_t { stored, sent };

struct ReadPlan {
  enum class Action : std::uint8_t {
    plain,        // text, bytes, ref, times: by the kind of `type`
    number,       // `written` to the kind of `type`, the same or wider
    narrow,       // `written` to a narrower kind, if the number fits; only for sent data
    enumeration,  // `enumerators`
    optional,     // parts[0] is its content
    wrap,         // a plain value into an optional; parts[0] reads it
    unwrap,       // the content of an optional into a plain value, by parts[0]; only for sent data
    variant,      // parts and `alternatives` by the written index
    sequence,     // parts[0]
    map,          // parts[0], parts[1]
    fields,       // `fields`
    mismatch,     // `problem`
  };
  struct Field {
    Slot slot;
    std::size_t part;  // in the written record or tuple
    const reflect::FieldInfo* into;
    std::size_t position;  // in the target tuple or record
    const ReadPlan* plan;
  };
  struct Enumerator {
    std::int64_t written;
    std::string name;
    std::optional<std::int64_t> value;  // the current value; empty: the name is gone
  };

  Action action = Action::mismatch;
  reflect::Schema::Index index = 0;  // of the written type in its schema
  reflect::Kind written = reflect::Kind::boolean;
  SlotSize slot = SlotSize::pointer;  // the slot of the written value in the enclosing struct
  std::uint8_t plain_bytes = 0;       // if not 0: the size of a number that is copied unchanged
  reflect::TimeUnit unit;             // of a written time
  const reflect::TypeInfo* type = nullptr;
  StructLayout body;  // as written
  std::vector<Field> fields;
  std::vector<const ReadPlan*> parts;
  std::vector<std::size_t> alternatives;  // current index by written index
  std::vector<Enumerator> enumerators;
  bool is_same_enumeration = false;  // every written enumerator has kept its number
  std::string problem;
};

/// The plans of any number of pairs. Schemas may be destroyed; tables must stay.
class ReadPlans {
 public:
  [[nodiscard]] const ReadPlan& get(const reflect::Schema& written, const reflect::TypeInfo& type, Reading reading);

 private:
  using PlanList = std::vector<std::unique_ptr<ReadPlan>>;
  struct Pair {
    reflect::SchemaId schema;
    const reflect::TypeInfo* type;
    Reading reading;
    bool operator==(const Pair&) const = default;
  };
  struct PairHash {
    std::size_t operator()(const Pair& pair) const noexcept {
      return (pair.schema.value + static_cast<std::uint64_t>(pair.reading)) ^
             (std::hash<const void*>{}(pair.type) * 0x9e3779b97f4a7c15ULL);
    }
  };
  std::unordered_map<Pair, PlanList, PairHash> plans_;  // the first of a list is the root's
};

/// True if kind `to` holds every number of kind `from`, or is the same kind.
[[nodiscard]] bool is_widening(reflect::Kind from, reflect::Kind to);

}  // namespace epic::codec

#pragma once
// ReadPlan: how what was written with one schema is read into today's type, worked out once for each pair.
//
// Fields are matched by name (then by their former names), parts of a tuple by position, alternatives of a variant by
// type, enumerators by name. The arguments of a method, which are named only where its class names them, go by position
// unless both sides have names. Numbers widen; a plain value may become an optional. What is sent may also go the way
// back, as far as the value fits: a newer version of a class has widened it, and both run just now. What is stored may
// not, so that whether it can be read does not depend on values. What cannot be converted becomes a `mismatch`, which
// is an error only when such a value is met: an empty list of what cannot be read is an empty list.
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
    narrow,       // `written` to a narrower kind, if the number fits; only of what is sent
    enumeration,  // `enumerators`
    optional,     // parts[0] is what it holds
    wrap,         // a plain value into an optional; parts[0] reads it
    unwrap,       // what an optional holds into a plain value, by parts[0]; only of what is sent
    variant,      // parts and `alternatives` by the written index
    sequence,     // parts[0]
    map,          // parts[0], parts[1]
    fields,       // `fields`
    mismatch,     // `problem`
  };
  struct Field {
    Slot slot;
    std::size_t part;  // of the written record or tuple
    const reflect::FieldInfo* into;
    std::size_t position;  // in the tuple or record read into
    const ReadPlan* plan;
  };
  struct Enumerator {
    std::int64_t written;
    std::string name;
    std::optional<std::int64_t> value;  // today's; empty: there is none of this name
  };

  Action action = Action::mismatch;
  reflect::Schema::Index index = 0;  // of the written type in its schema
  reflect::Kind written = reflect::Kind::boolean;
  SlotSize slot = SlotSize::pointer;  // what the written value takes in the struct around it
  const reflect::TypeInfo* type = nullptr;
  StructLayout body;  // as written
  std::vector<Field> fields;
  std::vector<const ReadPlan*> parts;
  std::vector<std::size_t> alternatives;  // today's index by the written one
  std::vector<Enumerator> enumerators;
  bool is_same_enumeration = false;  // every written enumerator has its number still
  std::string problem;
};

/// The plans of any number of pairs. The schemas may go; the tables must stay.
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

/// True if every number of kind `from` is one of kind `to`; also if they are the same.
[[nodiscard]] bool is_widening(reflect::Kind from, reflect::Kind to);

}  // namespace epic::codec

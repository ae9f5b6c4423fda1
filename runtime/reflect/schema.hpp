#pragma once
// Schema: the stored description of a type, so that bytes can be read after the program that wrote them is gone.
//
// A TypeInfo lives in a module; a snapshot outlives it. So each snapshot refers to a Schema: the same tree of kinds,
// with the names of fields and enumerators but no pointers into code. Readers match their own TypeInfo against it by
// name. The store keeps its canonical text; the hash of that text is its id:
//     Player
//     record Player { score: int64, team: Team, inventory: map<text, Item> }
//     enum Team { red = 0, blue = 1 }
//     record Item { count: int32, parts: list<Item> }
//
// A ref has the stored name of its class, ref<Player>; a duration or time the unit that it counts, time<d>,
// duration<1/60>, time<s, float64>, unless that is nanoseconds; a day of the calendar is time<date>. The words multimap
// and expected have their meaning only before a '<', because types had these names before the grammar had the words.
// The first line is the described type. Named types follow in the order of their first mention, so a type can contain
// itself. A name that is not a plain identifier, or is one of the grammar's words, is put in double quotes.
//
// Invariant: equal types have equal texts, and parse(text()) has the same text.
// Not here:  how a TypeInfo becomes a Schema (schema_of.hpp), how values are encoded (codec/README.md).

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "epic/type_info.hpp"
#include "reflect/strong_id.hpp"

namespace epic::reflect {

/// Whether a type's text has the classes of its refs and the units of its times.
enum class TypeDetail : std::uint8_t { full, kinds };

/// A value: copies are equal and independent.
class Schema {
 public:
  /// An index into nodes(). 0 is the described type.
  using Index = std::uint32_t;

  struct Part {
    std::string name;  // the name of a record's field; otherwise empty
    Index type = 0;
  };
  struct Enumerator {
    std::string name;
    std::int64_t value = 0;
  };
  struct Node {
    Kind kind = Kind::boolean;
    std::string name;          // records and enumerations: unique in this schema; refs: the class they name, if known
    TimeUnit unit = {};        // durations and times
    bool is_multi = false;     // maps: a key may have several values
    bool is_expected = false;  // variants: the first part is a value, the second an error
    std::vector<Part> parts;   // record, tuple: fields; optional, sequence: one; map: key, value; variant: each
    std::vector<Enumerator> enumerators;  // enumeration
  };

  /// Parses canonical text; spaces and line breaks may differ. The error is a sentence with line and column.
  [[nodiscard]] static std::expected<Schema, std::string> parse(std::string_view text);

  [[nodiscard]] const Node& root() const { return nodes_.front(); }
  [[nodiscard]] const Node& node(Index index) const { return nodes_[index]; }
  [[nodiscard]] std::span<const Node> nodes() const { return nodes_; }

  [[nodiscard]] const std::string& text() const { return text_; }
  /// xxh64 of text(), seed 0.
  [[nodiscard]] SchemaId id() const { return id_; }

  /// One node as text() writes it, for people: "map<text, Item>".
  [[nodiscard]] std::string type_text(Index index, TypeDetail detail = TypeDetail::full) const;

  bool operator==(const Schema& other) const { return text_ == other.text_; }

 private:
  friend Schema schema_of(const TypeInfo& type);
  explicit Schema(std::vector<Node> nodes);  // at least one, every index in range, names unique

  std::vector<Node> nodes_;
  std::string text_;
  SchemaId id_;
};

}  // namespace epic::reflect

#pragma once
// Values in Cap'n Proto messages, as the JSON writer sees them. Used by snapshot_json.cpp only.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/json_labels.hpp"
#include "codec/limits.hpp"
#include "codec/wire_layout.hpp"
#include "codec/wire_reader.hpp"
#include "epic/type_info.hpp"
#include "reflect/schema.hpp"

namespace epic::codec {

/// A schema with the layout of each of its structs, and the elements that one conversion has used up.
class WireTypes {
 public:
  using Index = reflect::Schema::Index;

  explicit WireTypes(const reflect::Schema& schema);

  [[nodiscard]] const reflect::Schema& schema() const { return schema_; }
  [[nodiscard]] const reflect::Schema::Node& node(Index index) const { return schema_.node(index); }
  [[nodiscard]] SlotSize slot(Index index) const { return slot_size(node(index).kind); }
  /// The layout of a struct, or of a map's entry.
  [[nodiscard]] const StructLayout& layout(Index index) const { return layouts_[index]; }
  [[nodiscard]] Index part(Index index, std::size_t i) const { return node(index).parts[i].type; }
  [[nodiscard]] const Labels& labels(Index variant);

  /// Counts `count` elements about to be made; throws std::length_error if there are too many for one message.
  void afford(std::size_t count);
  /// Starts to read another message.
  void begin(WireReader& message);
  /// The message that is being read.
  [[nodiscard]] WireReader& message() const { return *message_; }

 private:
  const reflect::Schema& schema_;
  std::vector<StructLayout> layouts_;
  LabelCache labels_;
  std::size_t elements_left_ = 0;
  WireReader* message_ = nullptr;
};

/// A value in a message. Depending on its kind it is read from bits, a pointer, or a struct already found. Throws
/// std::runtime_error for a damaged message.
class WireView {
 public:
  WireView(WireTypes& types, WireTypes::Index index, std::uint64_t bits) : types_(&types), index_(index), bits_(bits) {}
  WireView(WireTypes& types, WireTypes::Index index, WireReader::Place pointer)
      : types_(&types), index_(index), pointer_(pointer) {}
  WireView(WireTypes& types, WireTypes::Index index, const WireReader::Struct& body)
      : types_(&types), index_(index), body_(body) {}
  /// What `root` holds.
  static WireView of_root(WireTypes& types, WireReader::Place root);

  [[nodiscard]] reflect::Kind kind() const { return node().kind; }
  [[nodiscard]] const reflect::TimeUnit& unit() const { return node().unit; }
  [[nodiscard]] std::uint64_t bits() const { return bits_; }
  [[nodiscard]] std::string_view text() const;
  [[nodiscard]] std::span<const std::byte> bytes() const;
  [[nodiscard]] std::optional<std::string_view> find_enumerator(std::int64_t value) const;
  [[nodiscard]] std::optional<WireView> held() const;
  [[nodiscard]] std::pair<std::string_view, WireView> alternative() const;
  [[nodiscard]] bool is_multi() const { return node().is_multi; }

  void each_field(reflect::FunctionRef<void(std::string_view, const WireView&)> visit) const;
  void each_element(reflect::FunctionRef<void(const WireView&)> visit) const;
  void each_entry(reflect::FunctionRef<void(const WireView&, const WireView&)> visit) const;

 private:
  [[nodiscard]] const reflect::Schema::Node& node() const { return types_->node(index_); }
  [[nodiscard]] WireReader::Struct body() const;
  [[nodiscard]] WireReader::List list(ElementSize size) const;
  /// The member in `slot` of a struct, as a value of type `index`.
  [[nodiscard]] WireView member(WireTypes::Index index, Slot slot, const WireReader::Struct& around) const;

  WireTypes* types_;
  WireTypes::Index index_;
  std::uint64_t bits_ = 0;
  WireReader::Place pointer_;
  std::optional<WireReader::Struct> body_;
};

}  // namespace epic::codec

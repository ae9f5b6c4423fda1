#pragma once
// SnapshotReaders: one SnapshotReader per schema that a store's snapshots were written with, made on first use.

#include <fmt/format.h>

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "codec/snapshot_json.hpp"
#include "reflect/try.hpp"

namespace epic::codec {

/// Single-threaded.
class SnapshotReaders {
 public:
  /// Loads the text of a schema; empty if there is none; the error is a sentence.
  using FindText = std::function<std::expected<std::optional<std::string>, std::string>(reflect::SchemaId)>;

  explicit SnapshotReaders(FindText find_text, ShowName show_name = {})
      : find_text_(std::move(find_text)), show_name_(std::move(show_name)) {}

  /// Owned by this object. The error is a sentence.
  std::expected<SnapshotReader*, std::string> find(reflect::SchemaId id) {
    auto known = readers_.find(id.value);
    if (known != readers_.end()) return known->second.get();
    const auto text = EPIC_TRY(find_text_(id));
    if (!text) return std::unexpected(fmt::format("the store does not have its schema {:016x}", id.value));
    auto schema = reflect::Schema::parse(*text);
    if (!schema) return std::unexpected(fmt::format("its schema {:016x} cannot be read: {}", id.value, schema.error()));
    return &get(*schema);
  }

  /// For a schema that is already known.
  SnapshotReader& get(const reflect::Schema& schema) {
    auto& reader = readers_[schema.id().value];
    if (!reader) reader = std::make_unique<SnapshotReader>(schema, show_name_);
    return *reader;
  }

 private:
  FindText find_text_;
  ShowName show_name_;
  std::map<std::uint64_t, std::unique_ptr<SnapshotReader>> readers_;
};

}  // namespace epic::codec

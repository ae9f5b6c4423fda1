#pragma once
// ImportReader: lines of an import, read by the classes that they name.
//
//     {"entity":"Player/Bob","schema":"00c0ffee…","state":{"score":30}}     its new state
//     {"entity":"Player/Bob","remove":true,"version":7}                     starts afresh (if it has that version)
//
// A line with another schema than the class has now is read as schema evolution reads snapshots: by field name,
// including former names; missing fields take their defaults, unknown ones are ignored and counted. Otherwise an
// unknown field is an error. Other members of a line, as an export writes them, are ignored.
//
// Runs users' code (constructors), so it belongs on the thread that may do that.

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/codec.hpp"
#include "kernel/type_table.hpp"

namespace epic::node {

struct ImportRow {
  const kernel::TypeEntry* type = nullptr;
  std::string key;
  std::optional<std::vector<std::byte>> state = {};  // by the class's current schema; empty: it starts afresh
  std::optional<kernel::Version> only_if = {};
  /// By the stored name of its class.
  [[nodiscard]] std::string name() const { return std::string(type->info->stored_name()) + "/" + key; }
};

class ImportReader {
 public:
  ImportReader(kernel::TypeTable& types, const kernel::Codec& codec) : types_(types), codec_(codec) {}

  /// The error is one sentence: what is wrong and how to fix it.
  [[nodiscard]] std::expected<ImportRow, std::string> read(std::string_view line);
  /// Fields that the current classes do not have, in everything read so far.
  [[nodiscard]] std::size_t ignored_count() const { return ignored_count_; }

 private:
  kernel::TypeTable& types_;
  const kernel::Codec& codec_;
  std::size_t ignored_count_ = 0;
};

}  // namespace epic::node

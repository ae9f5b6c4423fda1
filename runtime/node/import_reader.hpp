#pragma once
// ImportReader: lines of an import, read by the classes that they name.
//
//     {"entity":"Player/Bob","schema":"00c0ffee…","state":{"score":30}}     what it becomes
//     {"entity":"Player/Bob","remove":true,"version":7}                     it starts anew (if it has that version)
//
// A line that names another schema than the class has today is read as schema evolution reads snapshots: by the names
// of the fields, former names included; what is missing takes its default, what is unknown is passed over and counted.
// Otherwise an unknown field is an error. Other members of a line, as an export writes them, are passed over.
//
// Runs code of the user's (constructors), so on the thread where that belongs.

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
  std::optional<std::vector<std::byte>> state;  // by the class's present schema; empty: it starts anew
  std::optional<kernel::Version> only_if;
  /// By the stored name of its class.
  [[nodiscard]] std::string name() const { return std::string(type->info->stored_name()) + "/" + key; }
};

class ImportReader {
 public:
  ImportReader(kernel::TypeTable& types, const kernel::Codec& codec) : types_(types), codec_(codec) {}

  /// The error is one sentence: what is wrong and how to mend it.
  [[nodiscard]] std::expected<ImportRow, std::string> read(std::string_view line);
  /// Fields that today's classes do not have, in all that was read so far.
  [[nodiscard]] std::size_t ignored_count() const { return ignored_count_; }

 private:
  kernel::TypeTable& types_;
  const kernel::Codec& codec_;
  std::size_t ignored_count_ = 0;
};

}  // namespace epic::node

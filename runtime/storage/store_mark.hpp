#pragma once
// StoreMark: a note beside a store, saying that something acknowledged may be missing from it.
//
// A process that finds a file of its store cut off, replaced or deleted stops writing and ends. The next one to open
// the store cannot see what was there before: it would go on with what is left, and nobody would know. So the
// first to notice leaves a mark, as a small file of its own. Nothing writes to a store with a mark, until a person has
// put a copy there or accepts what is left. Reading goes on.
//
// Invariant: each kind of mark is a file of its own, so removing one that goes by itself never removes one that a
//            person has to lift, even if another process writes that at the same moment.
// Not here:  how it is noticed (sqlite_files.hpp).

#include <chrono>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "storage/store.hpp"

namespace epic::storage {

struct StoreMark {
  enum class Kind : std::uint8_t {
    lost,  // until a person lifts it
    away,  // a file is not in its place: until it is back
  };
  Kind kind = Kind::lost;
  std::string what;  // what happened to which file, without a full stop: "'…-wal' was cut off at 0 bytes …"
};

/// The mark of the store in the file `database`; `lost` if it has both kinds. A mark that cannot be read counts.
[[nodiscard]] std::optional<StoreMark> read_mark(const std::filesystem::path& database);
/// The marks that there are, which lie beside the database.
[[nodiscard]] std::vector<std::filesystem::path> mark_files(const std::filesystem::path& database);
/// Durable if the disk takes it; nobody could do more about that here. The first mark of a kind stays.
void write_mark(const std::filesystem::path& database, const StoreMark& mark,
                std::chrono::system_clock::time_point noticed_at);
/// Nothing happens if there is none.
[[nodiscard]] std::expected<void, StoreError> remove_mark(const std::filesystem::path& database, StoreMark::Kind kind);
/// Removes marks of every kind: the store is another now, or a person has accepted what is left.
[[nodiscard]] std::expected<void, StoreError> remove_marks(const std::filesystem::path& database);

/// The refusal, with what to do.
[[nodiscard]] StoreError marked(const std::filesystem::path& database, const StoreMark& mark);

}  // namespace epic::storage

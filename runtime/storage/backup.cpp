#include "storage/backup.hpp"

#include <fmt/format.h>

#include "reflect/try.hpp"
#include "storage/open_store.hpp"
#include "storage/postgres_copy.hpp"
#include "storage/sqlite_copy.hpp"

namespace epic::storage {

std::expected<StoreContent, StoreError> write_backup(const StoreAddress& from, const std::filesystem::path& file,
                                                     const BackupWatcher& watcher) {
  // It has to be a store, of a format that is known, before anything is copied.
  EPIC_TRY(open_store({.address = from, .mode = OpenMode::read_only}));
  if (from.has_file())
    EPIC_TRY(copy_database(from.location, file, watcher.on_progress));
  else
    EPIC_TRY(copy_from_database(from.text(), file, watcher.on_progress));
  auto content = check_database(file, watcher);
  if (!content && content.error().code == StoreErrorCode::corrupt)
    content.error().message = fmt::format(
        "the store '{}' is damaged, so there is no backup: {}. `epic snapshot verify` lists what cannot be read, and "
        "`epic snapshot export` writes what can.",
        from.shown(), content.error().message);
  return content;
}

}  // namespace epic::storage

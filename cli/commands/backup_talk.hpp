#pragma once
// What `epic backup`, `epic restore` and `epic reshard` say about a store's content, and how far they are.

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "cli/output/console.hpp"
#include "cli/output/progress.hpp"
#include "storage/backup.hpp"

namespace epic::cli {

/// "3 entities and 2 messages", "3 entities, 2 messages and 1 reminder".
[[nodiscard]] std::string content_text(std::uint64_t entities, std::uint64_t messages, std::uint64_t reminders);
[[nodiscard]] std::string content_text(const storage::StoreContent& content);
/// "2 rows are damaged".
[[nodiscard]] std::string damage_text(const storage::StoreContent& content);
[[nodiscard]] boost::json::object describe_content(const storage::StoreContent& content);

/// A bar for each step, and a warning for each damaged row.
class BackupTalk {
 public:
  explicit BackupTalk(Console& console) : console_(console) {}
  BackupTalk(const BackupTalk&) = delete;
  BackupTalk& operator=(const BackupTalk&) = delete;
  ~BackupTalk() { finish(); }

  /// Belongs to this object.
  [[nodiscard]] storage::BackupWatcher watcher();
  void finish();

 private:
  void on_progress(storage::BackupStep step, std::uint64_t done, std::uint64_t total);

  Console& console_;
  storage::BackupStep step_ = storage::BackupStep::copying;
  std::optional<Progress> progress_;  // of this step
};

}  // namespace epic::cli

#pragma once
// PgConfirmed: what the database has confirmed to the processes of this machine, noted outside of the database.
//
// A database may come back without commits that it has confirmed: it was restored from a copy, or a standby took over
// that did not have them yet. A writer that lives finds its own missing. Those of a writer that has died since are
// found by this file: each writer has a slot, and puts the number of a transaction there before anybody hears that it
// was confirmed. A process that connects to write first compares all slots with `epic.writers`.
//
// The file is memory that processes share and that outlives them. A power cut may leave smaller numbers, which only
// prove less. Nor does a slot have to stay for ever: who has a later transaction has everything that was confirmed
// before it began. So the slot of the oldest writer is given to a new one.
//
// A process keeps its slot locked while it lives. When another one of this machine begins to write, everything before
// that is proven by its own row, so it may forget those that have died, here and then in `epic.writers`.
//
// The numbers are of one *history* of a store. A person who accepts a loss begins another one; then the file begins
// anew.
//
// Nothing but that takes a lock: a process that stands still must not stop those of other machines on its host.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "files/private_files.hpp"
#include "kernel/ids.hpp"
#include "storage/file_lock.hpp"
#include "storage/store.hpp"

namespace epic::storage {

inline constexpr std::size_t kPgConfirmedSlots = 254;

struct PgConfirmedWriter {
  std::int64_t writer = 0;
  kernel::NodeId node = {};  // 0: a supervisor, or a tool
  std::int64_t number = 0;
};

/// Which server it was, and how often a standby had taken over.
struct PgServerName {
  std::int64_t system = 0;
  std::int64_t timeline = 0;  // 0: nothing is known
  bool operator==(const PgServerName&) const = default;
};

/// One thread at a time; several processes use the same file.
class PgConfirmed {
 public:
  /// Makes the file if it is missing.
  static std::expected<PgConfirmed, StoreError> open(const std::filesystem::path& file);
  PgConfirmed(PgConfirmed&& other) noexcept;
  PgConfirmed& operator=(PgConfirmed&&) = delete;
  ~PgConfirmed();

  /// Forgets what was noted of another history.
  [[nodiscard]] std::expected<void, StoreError> begin(std::int64_t history);
  [[nodiscard]] std::vector<PgConfirmedWriter> all() const;
  /// That had everything when this was last asked.
  [[nodiscard]] PgServerName server() const;
  void set_server(const PgServerName& server);
  /// Whose processes have ended. There may be others.
  [[nodiscard]] std::vector<std::int64_t> dead_writers() const;
  /// False: a power cut could bring them back, so they have to stay in the database.
  [[nodiscard]] bool forget(const std::vector<std::int64_t>& dead);
  /// Returns when other processes can see it.
  void note(const PgConfirmedWriter& confirmed);

 private:
  struct File;
  PgConfirmed(FileLock lock, files::Descriptor descriptor, File* file)
      : lock_(std::move(lock)), descriptor_(std::move(descriptor)), file_(file) {}
  void claim_slot(const PgConfirmedWriter& confirmed);

  FileLock lock_;
  files::Descriptor descriptor_;  // holds the slot
  File* file_;
  std::optional<std::size_t> slot_;
};

}  // namespace epic::storage

#pragma once
// SqliteDisk: SQLite's own code on the disk of a simulated machine: the store that all its processes share.
//
// A store belongs to one process and has its own connection. What a process has written stays when it dies, as in the
// page cache of a machine; destroying its store is such a death, so nothing is tidied up. After a power cut only what
// was synced is sure to be there (forgetful_disk.hpp).
//
// A process can die within a transaction: at a file call, of which a part may be done, after which all its calls fail.
//
// A process that is killed leaves its directory; the next one that makes a disk removes it.
//
// Invariant: equal seeds and equal calls give equal results, and no result names the directory.

#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

#include "kernel/placement.hpp"
#include "sim/forgetful_disk.hpp"
#include "storage/store.hpp"

namespace epic::sim {

/// One thread.
class SqliteDisk {
 public:
  SqliteDisk(std::uint64_t seed, kernel::Placement placement, storage::WallClock wall_clock);
  SqliteDisk(const SqliteDisk&) = delete;
  SqliteDisk& operator=(const SqliteDisk&) = delete;
  ~SqliteDisk();

  /// For a process. Opening meets faults as well; a store that cannot be opened though none strikes is a failed assert.
  [[nodiscard]] std::expected<std::unique_ptr<storage::Store>, storage::StoreError> open();

  /// While no process has it open. Without faults, and durable.
  void reshard(const kernel::Placement& placement);

  void set_full(bool is_full) { is_full_ = is_full; }
  /// The next write fails, or the next sync of every process.
  void set_failing(bool is_failing);
  /// The process that makes the n-th change to a file from now on dies there. 0: none does.
  void set_death(std::uint64_t calls) { calls_until_death_ = calls; }
  void cut_power();
  /// The n-th page of the database that is read from now on comes back with one bit that is not as it was written. Not
  /// of the log: SQLite takes a damaged frame for the end of what a crash has left. 0: none does.
  void set_rot(std::uint64_t reads) { reads_until_rot_ = reads; }

 private:
  friend class ProcessStore;
  /// A process that has the files open.
  struct Handle {
    std::uint64_t power_cuts;
    std::uint64_t failed_syncs;  // of which it knows
    bool is_dead = false;
  };
  enum class Failure : std::uint8_t { none, write, sync };

  [[nodiscard]] std::filesystem::path directory() const;
  void hide_directory(std::string& text) const;
  [[nodiscard]] int before_write();
  [[nodiscard]] int before_sync(const std::string& path);
  void after_read(const std::string& path, std::span<char> bytes);
  [[nodiscard]] int draw_write_fault();
  [[nodiscard]] int draw_sync_fault(const std::string& path);
  [[nodiscard]] bool is_dying();

  std::mt19937_64 random_;
  kernel::Placement placement_;
  storage::WallClock wall_clock_;
  std::filesystem::path root_;
  ForgetfulDisk files_;
  Handle* user_ = nullptr;        // whose call it is
  std::uint64_t faults_met_ = 0;  // by file calls
  std::uint64_t power_cuts_ = 0;
  std::uint64_t failed_syncs_ = 0;
  std::uint64_t calls_until_death_ = 0;
  std::uint64_t reads_until_rot_ = 0;
  bool is_full_ = false;
  bool is_torn_ = true;  // no write is to be done in part
  Failure failure_ = Failure::none;
};

}  // namespace epic::sim

#pragma once
// Disk: the store that the processes of a simulated fabric share, and what can go wrong with it.
//
// Usually rows are those of a MemoryStore, with its fence and conditions. A process opens a handle; what is written
// stays when the process ends, as in the page cache of a machine. A power cut takes back what nobody has synced, except
// for as many of the first changes as chance has already written.
//
// With `is_server` it is a database of its own: it may be away, and connections may break at a commit, which takes
// effect then, later, when its shards are another's, or never. As with the real one, a writer that asks what became of
// its commit ends it if it is still on its way.
//
// With `on_files` the rows are in a SQLite database on files, and the faults are those of its file calls
// (sim/sqlite_disk.hpp).

#include <cstddef>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <variant>
#include <vector>

#include "cluster/sim/referee.hpp"
#include "cluster/sim/world.hpp"
#include "kernel/placement.hpp"
#include "sim/memory_files.hpp"
#include "storage/memory_store.hpp"

namespace epic::sim {
class SqliteDisk;
}

namespace epic::cluster::sim {

struct DiskOptions {
  nanoseconds write_delay_max = std::chrono::milliseconds(2);  // until a transaction has its turn
  nanoseconds sync_delay_max = std::chrono::milliseconds(4);
  bool on_files = false;
  bool is_server = false;     // a database that is reached over a network; none of the other faults of a disk
  bool is_faultless = false;  // none of the faults below will be made: nothing is kept for them, nor looked after
};

class Disk {
 public:
  /// `placement`: of the store that is made.
  Disk(World& world, kernel::Placement placement, DiskOptions options);
  ~Disk();

  [[nodiscard]] nanoseconds draw_write_delay() { return world_.draw_delay(options_.write_delay_max) * slowness_; }
  [[nodiscard]] nanoseconds draw_sync_delay() { return world_.draw_delay(options_.sync_delay_max) * slowness_; }
  /// The project's files. A power cut may take back what was written to an open one and not synced.
  [[nodiscard]] epic::sim::MemoryFiles& files() { return project_files_; }
  /// For a process. After a power cut it fails whatever it is asked.
  [[nodiscard]] std::expected<std::unique_ptr<storage::Store>, storage::StoreError> open();
  /// While no process runs, as `epic reshard` does.
  void reshard(const kernel::Placement& placement);
  /// Of stores without files.
  [[nodiscard]] const Referee& referee() const { return referee_; }

  // ---- faults
  /// Nothing can be written until it is not full any more.
  void set_full(bool is_full);
  /// The next write or sync of any process fails, and nobody knows what has reached the disk.
  void set_failing(bool is_failing);
  /// A process dies within one of its next transactions, at the n-th change to a file from now on.
  void set_death(std::uint64_t calls);
  void cut_power();
  /// A server cannot be reached. What it was asked may have been done all the same.
  void set_away(bool is_away) { is_away_ = is_away; }
  /// Of a server's commits, this many end with a broken connection.
  void set_breaking(std::uint32_t percent) { breaking_percent_ = percent; }
  /// Everything takes this many times as long; 1: as usual.
  void set_slowness(std::int64_t times) { slowness_ = times; }

 private:
  friend class DiskStore;
  struct Take {
    std::vector<kernel::ShardId> shards;
    kernel::NodeId node;
    kernel::Incarnation incarnation;
  };
  using Change = std::variant<storage::Grants, Take, storage::Batch, kernel::Placement>;

  [[nodiscard]] storage::WallClock make_clock() const;
  [[nodiscard]] std::unique_ptr<storage::MemoryStore> make_rows() const;
  static void apply(storage::MemoryStore& rows, const Change& change);
  void note(Change change) {
    if (!options_.is_server) changes_.push_back(std::move(change));
  }
  [[nodiscard]] bool draw_break() { return breaking_percent_ > 0 && world_.chance(breaking_percent_); }
  /// A commit that is in flight, and lands when one of its shards is next granted, if it has not landed by then.
  struct LateCommit {
    std::set<kernel::ShardId> shards;
    std::function<void()> arrive;
  };
  void await_grant(const storage::Batch& batch, std::function<void()> arrive);
  void arrive_at_grant(const storage::Grants& grants);
  /// Empty: it can be reached.
  [[nodiscard]] std::optional<storage::StoreError> find_absence() const;
  void sync() { durable_count_ = changes_.size(); }
  /// What the next change meets.
  [[nodiscard]] std::optional<storage::StoreError> draw_fault();
  [[nodiscard]] std::optional<std::errc> draw_file_fault(epic::sim::MemoryFiles::Access access);

  World& world_;
  kernel::Placement placement_;
  DiskOptions options_;
  std::unique_ptr<epic::sim::SqliteDisk> files_;  // null: not on files
  std::unique_ptr<storage::MemoryStore> rows_;    // as every process sees them
  std::vector<Change> changes_;                   // all that led to them
  std::size_t durable_count_ = 0;                 // of the changes
  std::deque<LateCommit> late_commits_;
  Referee referee_;
  std::uint64_t power_cuts_ = 0;
  std::int64_t slowness_ = 1;
  bool is_away_ = false;
  std::uint32_t breaking_percent_ = 0;
  bool is_full_ = false;
  bool must_fail_ = false;
  epic::sim::MemoryFiles project_files_{
      [this](epic::sim::MemoryFiles::Access access) { return draw_file_fault(access); }};
};

}  // namespace epic::cluster::sim

#pragma once
// SortedRows: the rows of an export by type, then key, the order in which `epic snapshot export` writes them.
//
// A file in that order is read directly. Any other (a live export is ordered by node; people edit files) is sorted in
// temporary files first: runs that fit into memory, then a merge of all runs.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/fabric/snapshot_file.hpp"
#include "cli/project/catalog.hpp"

namespace epic::cli {

class SortedRows {
 public:
  struct Row {
    std::string name;  // "Type/Key"
    std::string text;
  };

  /// Reads the file once to check its order, and sorts it if necessary. A row without a name, or a duplicate name, is a
  /// failure that names its line.
  /// Rows with a former name of a class in `names` count as the class's.
  /// A sort holds about `run_bytes_max` in memory at a time.
  static Result<SortedRows> open(SnapshotFile file, const Catalog& names = {}, std::size_t run_bytes_max = 64u << 20);

  Result<std::optional<Row>> next();
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] const std::string& name() const { return file_.name(); }

 private:
  /// A row with its sort key: the type, a zero byte, the key.
  struct Entry {
    std::string order;
    std::string text;
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Run {
    std::unique_ptr<std::FILE, Close> file;
    std::optional<Entry> head;
  };

  SortedRows(SnapshotFile file, Catalog names, std::size_t run_bytes_max)
      : file_(std::move(file)), names_(std::move(names)), run_bytes_max_(run_bytes_max) {}
  Result<std::optional<Entry>> read_entry();
  Result<bool> is_in_order();
  Result<void> sort();
  Result<void> write_run(std::vector<Entry> entries);
  static std::optional<Entry> read_head(Run& run);
  Result<std::optional<Entry>> pop_smallest();

  SnapshotFile file_;
  Catalog names_;
  std::size_t run_bytes_max_;
  std::uint64_t line_ = 0;  // of the last row read
  std::uint64_t count_ = 0;
  std::vector<Run> runs_;  // empty: the file is in order
  std::string last_order_;
};

}  // namespace epic::cli

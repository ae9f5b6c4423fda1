#pragma once
// SnapshotFile: the rows of an export, one by one, however large it is.
//
// An export is JSON lines, or one document whose "snapshots" are the rows, in any layout (jq may have changed it). Rows
// are cut out as text; callers parse them if they need to. Data from a pipe is kept in a temporary file, so that it can
// be read twice.
//
// Memory is bounded by the longest row, kRowBytesMax.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/fabric/entity_name.hpp"
#include "cli/output/failure.hpp"

namespace epic::cli {

class SnapshotFile {
 public:
  /// As JSON, a state of 8 MiB can be fifty times larger: 64 Mi bools, with "false," for each.
  static constexpr std::size_t kRowBytesMax = 512u << 20;

  struct Row {
    std::uint64_t line = 0;  // where it starts, from 1
    std::string_view text;   // valid until the next row is read
  };

  /// "-" is stdin. A pipe is read to its end first; a device is refused.
  static Result<SnapshotFile> open(const std::string& path);
  /// Over the content of `file`, a temporary one.
  static Result<SnapshotFile> adopt(std::string name, std::FILE* file);

  /// Empty at the end. A failure names the line where the file is malformed.
  Result<std::optional<Row>> next();
  /// Back to the first row.
  void rewind();
  /// The approximate number of rows, for progress.
  [[nodiscard]] std::uint64_t row_estimate() const { return line_count_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// "arena.jsonl, line 7".
  [[nodiscard]] std::string place(std::uint64_t line) const;

 private:
  enum class Form : std::uint8_t { lines, document };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  SnapshotFile(std::string name, std::FILE* file) : name_(std::move(name)), file_(file) {}
  static Result<SnapshotFile> spool(const std::string& name, std::FILE& from);
  Result<void> look();
  [[nodiscard]] bool find_snapshots();
  Result<std::optional<Row>> next_line();
  Result<std::optional<Row>> next_element();
  int get();

  std::string name_;
  std::unique_ptr<std::FILE, Close> file_;
  Form form_ = Form::lines;
  long begin_ = 0;  // of the first row
  std::uint64_t begin_line_ = 1;
  std::uint64_t line_ = 1;  // the one being read
  std::uint64_t line_count_ = 0;
  std::string text_;
};

/// An unnamed file that is deleted with its last descriptor. Null if it cannot be created.
std::FILE* make_temporary_file();

/// The "entity" of a row, split in two. The error is a sentence.
std::expected<EntityName, std::string> entity_of_row(std::string_view text);

}  // namespace epic::cli

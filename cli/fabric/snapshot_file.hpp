#pragma once
// SnapshotFile: the rows of an export, one after another, however large it is.
//
// An export is JSON lines, or one document whose "snapshots" are the rows; jq may have laid it out anew. Rows are cut
// out as text; what they say is parsed by whoever wants to know. What comes through a pipe is kept in a temporary file,
// so that it can be read twice.
//
// Bounded: by the longest row, of kRowBytesMax.

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
  /// As JSON a state of 8 MiB has up to fifty times as much: 64 Mi of bool, with "false," for each.
  static constexpr std::size_t kRowBytesMax = 512u << 20;

  struct Row {
    std::uint64_t line = 0;  // where it begins, from 1
    std::string_view text;   // until the next row is asked for
  };

  /// "-" is stdin.
  static Result<SnapshotFile> open(const std::string& path);
  /// Over what has been written into `file`, a temporary one.
  static Result<SnapshotFile> adopt(std::string name, std::FILE* file);

  /// Empty at the end. The failure says at which line the file makes no sense.
  Result<std::optional<Row>> next();
  /// Back to the first row.
  void rewind();
  /// How many rows there are, about; for progress.
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
  std::uint64_t line_ = 1;  // that is being read
  std::uint64_t line_count_ = 0;
  std::string text_;
};

/// A file that nobody sees and that goes with its last descriptor. Null when none can be made.
std::FILE* make_temporary_file();

/// The "entity" of a row, in two. The error is a sentence.
std::expected<EntityName, std::string> entity_of_row(std::string_view text);

}  // namespace epic::cli

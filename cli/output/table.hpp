#pragma once
// Table: rows of JSON objects, printed for people or programs.
//
// On a terminal: headers, aligned columns, colour, "3 min ago", "1.2 KiB". In a pipe: tab-separated fields, no headers,
// plain numbers, RFC 3339. With -o json an array of the unchanged objects, with jsonl one per line, with all their
// fields.
//
// jsonl and pipes print each row as it arrives; a terminal needs all rows for the widths, and gets them in pages of
// kPageRows, so that memory stays bounded.

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/console.hpp"
#include "codec/described_json.hpp"

namespace epic::cli {

/// How a field is shown. Ages and times are "3 min ago" on a terminal and RFC 3339 in a pipe.
enum class Show {
  text,
  number,
  bytes,     // "1.2 KiB" | 1234
  duration,  // milliseconds: "3 min" | seconds with fraction "180.000"
  age,       // milliseconds before now: "3 min ago" | RFC 3339
  time,      // RFC 3339 text: "3 min ago" | unchanged
  state,     // a word, coloured by its meaning (ready, live, failed …)
};

struct Column {
  std::string_view header;
  std::string_view field;  // of the row object
  Show show = Show::text;
};

/// What a column of a table holds, in columns of a terminal.
struct ColumnNeed {
  std::size_t header;
  std::size_t cells;  // the widest
  bool is_number;
};
/// Widths with which a table takes at most `room`, two blanks between columns. Text gives way first, the widest first,
/// then the headers of numbers; the numbers themselves do not, so the table may remain wider.
[[nodiscard]] std::vector<std::size_t> fit_widths(std::span<const ColumnNeed> columns, std::size_t room);

class Table {
 public:
  Table(Console& console, std::span<const Column> columns);
  ~Table();  // nothing is lost: the destructor calls finish()
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  void add(boost::json::object row);
  /// A described struct, by the names of its fields.
  template <class T>
  void add(const T& row) {
    add(std::move(codec::describe_json(row).as_object()));
  }
  void finish();
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  void print_page();

  static constexpr std::size_t kPageRows = 1000;
  Console& console_;
  std::vector<Column> columns_;
  bool terminal_;
  bool finished_ = false;
  std::size_t count_ = 0;
  std::vector<ColumnNeed> needs_;  // grow from page to page, never shrink
  std::vector<boost::json::object> page_;
};

/// One field as text for the given reader. Null and missing values are "-" for people and empty in a pipe.
enum class Reader { person, program };
std::string show_field(const boost::json::value* value, Show show, Reader reader);

/// One record as aligned "name: value" lines, in a pipe as "name<TAB>value".
void print_record(Console& console, const boost::json::object& record, std::span<const Column> fields);

}  // namespace epic::cli

#pragma once
// JsonRows: an array whose elements are printed as soon as they are known, for commands that take long.
//
// With -o json it opens with the first element and is closed at the end, whatever happens in between; with jsonl each
// element is a line. Without either nothing is printed.

#include <boost/json/value.hpp>
#include <string>

#include "cli/output/console.hpp"
#include "protocol/json.hpp"

namespace epic::cli {

class JsonRows {
 public:
  explicit JsonRows(Console& console) : console_(console) {}
  JsonRows(const JsonRows&) = delete;
  JsonRows& operator=(const JsonRows&) = delete;
  ~JsonRows() {
    if (console_.format() == Format::json) console_.print(is_empty_ ? "[]" : "]");
  }

  void add(const boost::json::value& row) {
    if (!console_.is_json()) return;
    const char* const before = console_.format() != Format::json ? "" : is_empty_ ? "[ " : ", ";
    is_empty_ = false;
    console_.print(before + protocol::print_json(row));
    static_cast<void>(console_.flush());
  }

 private:
  Console& console_;
  bool is_empty_ = true;
};

}  // namespace epic::cli

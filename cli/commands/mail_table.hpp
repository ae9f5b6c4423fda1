#pragma once
// MailTable: messages as `epic outbox` lists them, one a row.

#include <boost/json/object.hpp>

#include "cli/output/table.hpp"

namespace epic::cli {

class MailTable {
 public:
  explicit MailTable(Console& console);
  /// As StoredMail::describe() returns them.
  void add(boost::json::object message);
  void finish() { table_.finish(); }
  [[nodiscard]] std::size_t count() const { return table_.count(); }

 private:
  Console& console_;
  Table table_;
};

}  // namespace epic::cli

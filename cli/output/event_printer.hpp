#pragma once
// EventPrinter: events of entities and nodes, one per line, as reported by the control verb `events`.

#include <memory>

#include "cli/output/console.hpp"
#include "cli/output/table.hpp"
#include "protocol/control_entities.hpp"

namespace epic::cli {

class EventPrinter {
 public:
  enum class Pace {
    all_at_once,   // a table
    as_they_come,  // one line each on a terminal, with columns wide enough for most
  };

  EventPrinter(Console& console, Pace pace);
  void print(const protocol::control::Events::Answer& event);
  void finish();

 private:
  Console& console_;
  std::unique_ptr<Table> table_;  // empty for lines on a terminal
};

}  // namespace epic::cli

#pragma once
// EventPrinter: events of entities and nodes, one below the other, as the control verb `events` tells them.

#include <memory>

#include "cli/output/console.hpp"
#include "cli/output/table.hpp"
#include "protocol/control_entities.hpp"

namespace epic::cli {

class EventPrinter {
 public:
  enum class Pace {
    all_at_once,   // a table
    as_they_come,  // a terminal gets a line each, with columns wide enough for most
  };

  EventPrinter(Console& console, Pace pace);
  void print(const protocol::control::Events::Answer& event);
  void finish();

 private:
  Console& console_;
  std::unique_ptr<Table> table_;  // unless it is lines on a terminal
};

}  // namespace epic::cli

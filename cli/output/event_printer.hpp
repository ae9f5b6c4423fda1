#pragma once
// EventPrinter: events of entities and nodes, one below the other, as the control verb `events` tells them.

#include <boost/json/object.hpp>
#include <memory>

#include "cli/output/console.hpp"
#include "cli/output/table.hpp"

namespace epic::cli {

class EventPrinter {
 public:
  enum class Pace {
    all_at_once,   // a table
    as_they_come,  // a terminal gets a line each, with columns wide enough for most
  };

  EventPrinter(Console& console, Pace pace);
  void print(boost::json::object event);
  void finish();

 private:
  Console& console_;
  std::unique_ptr<Table> table_;  // unless it is lines on a terminal
};

/// "version 7, 54 B, commit 12 (8 saves)", "get_score, called by client": what there is to say of an event.
std::string describe_event(const boost::json::object& event);
/// "1.5 ms (load 1.2, start 0.3)"; empty where nothing took time.
std::string describe_duration(const boost::json::object& event);

}  // namespace epic::cli

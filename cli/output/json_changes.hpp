#pragma once
// JsonChanges: the differences between two JSON values, by path: "inventory[2].name".

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

namespace epic::cli {

struct JsonChange {
  std::string path;                        // empty: the whole
  std::optional<boost::json::value> from;  // empty: it did not exist
  std::optional<boost::json::value> to;    // empty: it no longer exists
};

/// In the order of `from`, then what only `to` has. Numbers are equal if their values are.
std::vector<JsonChange> list_changes(const boost::json::value& from, const boost::json::value& to);

}  // namespace epic::cli

#pragma once
// JsonChanges: what is different between two JSON values, by path: "inventory[2].name".

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

namespace epic::cli {

struct JsonChange {
  std::string path;                        // empty: the whole
  std::optional<boost::json::value> from;  // empty: it was not there
  std::optional<boost::json::value> to;    // empty: it is not there any more
};

/// In the order of `from`, then what `to` has besides. Numbers are equal if their values are.
std::vector<JsonChange> list_changes(const boost::json::value& from, const boost::json::value& to);

}  // namespace epic::cli

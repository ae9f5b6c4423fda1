#include "cli/output/json_changes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace epic::cli {
namespace {

using boost::json::value;

std::string below(const std::string& path, std::string_view field) {
  return path.empty() ? std::string(field) : fmt::format("{}.{}", path, field);
}

void compare(const std::string& path, const value& from, const value& to, std::vector<JsonChange>& changes) {
  if (from.is_object() && to.is_object()) {
    for (const auto& [field, was] : from.get_object()) {
      const value* is = to.get_object().if_contains(field);
      if (is == nullptr)
        changes.push_back({.path = below(path, field), .from = was, .to = {}});
      else
        compare(below(path, field), was, *is, changes);
    }
    for (const auto& [field, is] : to.get_object())
      if (!from.get_object().contains(field)) changes.push_back({.path = below(path, field), .from = {}, .to = is});
    return;
  }
  if (from.is_array() && to.is_array()) {
    const auto& was = from.get_array();
    const auto& is = to.get_array();
    for (std::size_t i = 0; i < std::max(was.size(), is.size()); ++i) {
      std::string part = fmt::format("{}[{}]", path, i);
      if (i >= is.size())
        changes.push_back({.path = std::move(part), .from = was[i], .to = {}});
      else if (i >= was.size())
        changes.push_back({.path = std::move(part), .from = {}, .to = is[i]});
      else
        compare(part, was[i], is[i], changes);
    }
    return;
  }
  if (from != to) changes.push_back({.path = path, .from = from, .to = to});
}

}  // namespace

std::vector<JsonChange> list_changes(const value& from, const value& to) {
  std::vector<JsonChange> changes;
  compare({}, from, to, changes);
  return changes;
}

}  // namespace epic::cli

#include "cli/project/stored_name_check.hpp"

#include <fmt/format.h>

#include <map>

#include "cli/project/catalog.hpp"

namespace epic::cli {
namespace {

std::map<std::string, std::string> stored_names(const boost::json::value& description) {
  std::map<std::string, std::string> names;
  for (const TypeEntry& type : catalog_from(description).types) {
    names.emplace(type.type, type.stored_as);
    for (const std::string& former : type.formerly) names.emplace(former, type.stored_as);
  }
  return names;
}

}  // namespace

std::vector<StoredNameDisagreement> find_stored_name_disagreements(const boost::json::value& former,
                                                                   const boost::json::value& present) {
  const auto before = stored_names(former);
  const auto now = stored_names(present);
  std::vector<StoredNameDisagreement> disagreements;
  for (const auto& [name, was] : before)
    if (const auto is = now.find(name); is != now.end() && is->second != was)
      disagreements.push_back({.type = name, .was = was, .is = is->second});
  return disagreements;
}

std::string describe(const StoredNameDisagreement& disagreement) {
  return fmt::format("{} was stored as {} but would now be stored as {}", disagreement.type, disagreement.was,
                     disagreement.is);
}

}  // namespace epic::cli

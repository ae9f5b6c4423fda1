#include "cli/fabric/unknown.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/console.hpp"
#include "cli/output/suggest.hpp"

namespace epic::cli {

Failure unknown_type(const std::string& type, const std::vector<std::string>& known) {
  Failure failure{.code = ExitCode::not_found,
                  .what = fmt::format("no entity class \"{}\" in this project", printable(type))};
  if (!known.empty()) failure.why = fmt::format("the types are {}", listing(known));
  if (const std::string near = find_near(type, known); !near.empty())
    failure.help.push_back(fmt::format("did you mean {}?", near));
  else
    failure.help.emplace_back("list the existing entities with 'epic ls'");
  return failure;
}

Result<void> check_known_type(storage::Store& store, const Catalog& names, const std::string& type) {
  if (names.find(type) != nullptr) return {};
  std::vector<std::string> known = names.type_names();
  const auto saved = store.count_by_type();
  if (!saved) return fail(failure_of(saved.error()));
  for (const storage::TypeCount& one : *saved) known.push_back(names.shown(one.type));
  std::ranges::sort(known);
  known.erase(std::ranges::unique(known).begin(), known.end());
  if (std::ranges::find(known, type) != known.end()) return {};
  return fail(unknown_type(type, known));
}

Failure unsaved_type(const std::string& type) {
  return {.code = ExitCode::not_found,
          .what = fmt::format("no {} has been saved yet", printable(type)),
          .help = {"list saved states with 'epic snapshot list'"}};
}

Failure unknown_entity(const EntityName& name) {
  return {.code = ExitCode::not_found,
          .what = fmt::format("{} is neither in memory nor saved", printable(name.text())),
          .why = "the first call activates an entity, and its first change is saved",
          .help = {fmt::format("list the existing ones with 'epic ls {}'", printable(name.type))}};
}

Failure unsaved_entity(const EntityName& name) {
  return {.code = ExitCode::not_found,
          .what = fmt::format("{} has no saved state", printable(name.text())),
          .help = {fmt::format("list saved states with 'epic snapshot list {}'", printable(name.type))}};
}

}  // namespace epic::cli

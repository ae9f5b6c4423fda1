#include "cli/project/rolling_check.hpp"

#include <fmt/format.h>

#include "cli/project/catalog.hpp"
#include "cli/project/stored_name_check.hpp"
#include "cli/project/subprocess.hpp"
#include "protocol/json.hpp"

namespace epic::cli {
namespace {

Result<boost::json::value> describe(const Context& context, const std::filesystem::path& module) {
  auto node = EPIC_TRY(context.install().node());
  auto end = EPIC_TRY(run_subprocess({.program = node, .arguments = {"--describe", module.string()}}));
  auto described = protocol::parse_json(end.out);
  if (end.exit_code == 0 && described) return std::move(*described);
  return fail({.what = fmt::format("cannot compare {} with the running module", module.string()),
               .why = cause_of(end, node),
               .help = {"restart without comparing: 'epic restart'"}});
}

}  // namespace

std::string find_disagreement(const boost::json::value& present, const boost::json::value& next) {
  for (const StoredNameDisagreement& one : find_stored_name_disagreements(present, next))
    return fmt::format("the oldest name of class {} is {} in the running module, but {} in the new one", one.type,
                       one.was, one.is);
  const Catalog before = catalog_from(present);
  for (const TypeEntry& now : catalog_from(next).types)
    for (const TypeEntry& was : before.types)
      if (was.stored_as == now.stored_as && was.group != now.group)
        return fmt::format("class {} shares the tags of {} in the running module, but those of {} in the new one",
                           now.type, was.group, now.group);
  return {};
}

Result<void> check_rolling(const Context& context, const std::filesystem::path& present,
                           const std::filesystem::path& next) {
  const auto now = EPIC_TRY(describe(context, present));
  const auto then = EPIC_TRY(describe(context, next));
  const std::string why = find_disagreement(now, then);
  if (why.empty()) return {};
  return fail({.what = "nodes of the two modules cannot run side by side",
               .why = why + "; they would look for its entities in different places",
               .help = {"stop all nodes with 'epic stop', then 'epic run'"}});
}

}  // namespace epic::cli

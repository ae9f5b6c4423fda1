#include "cli/project/rolling_check.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <map>

#include "cli/project/subprocess.hpp"

namespace epic::cli {
namespace {

std::string text(const boost::json::value& value) {
  return value.is_string() ? std::string(std::string_view(value.get_string())) : std::string();
}

/// Every name that a module knows a class by, with the oldest name of that class.
std::map<std::string, std::string> oldest_names(const boost::json::value& described) {
  std::map<std::string, std::string> oldest;
  const auto* object = described.if_object();
  const auto* types = object ? object->if_contains("types") : nullptr;
  if (types == nullptr || !types->is_array()) return oldest;
  for (const auto& entry : types->get_array()) {
    const auto* type = entry.if_object();
    const auto* name = type ? type->if_contains("type") : nullptr;
    const auto* formerly = type ? type->if_contains("formerly") : nullptr;
    if (name == nullptr) continue;
    const bool has_former = formerly != nullptr && formerly->is_array() && !formerly->get_array().empty();
    const std::string first = text(has_former ? formerly->get_array().back() : *name);
    oldest[text(*name)] = first;
    if (has_former)
      for (const auto& former : formerly->get_array()) oldest[text(former)] = first;
  }
  return oldest;
}

Result<boost::json::value> describe(const Context& context, const std::filesystem::path& module) {
  auto node = context.install().node();
  if (!node) return std::unexpected(std::move(node.error()));
  auto end = run_subprocess({.program = *node, .arguments = {"--describe", module.string()}});
  if (!end) return std::unexpected(std::move(end.error()));
  boost::system::error_code malformed;
  auto described = boost::json::parse(end->out, malformed);
  if (end->exit_code == 0 && !malformed) return described;
  return fail({.what = fmt::format("{} cannot be compared with the module that runs", module.string()),
               .why = end->err,
               .help = {"restart without comparing: 'epic restart'"}});
}

}  // namespace

std::string find_disagreement(const boost::json::value& present, const boost::json::value& next) {
  const auto now = oldest_names(present);
  for (const auto& [name, oldest] : oldest_names(next)) {
    const auto known = now.find(name);
    if (known != now.end() && known->second != oldest)
      return fmt::format("the class {} was first called {} in the module that runs, and {} in the new one", name,
                         known->second, oldest);
  }
  return {};
}

Result<void> check_rolling(const Context& context, const std::filesystem::path& present,
                           const std::filesystem::path& next) {
  const auto now = describe(context, present);
  if (!now) return std::unexpected(now.error());
  const auto then = describe(context, next);
  if (!then) return std::unexpected(then.error());
  const std::string why = find_disagreement(*now, *then);
  if (why.empty()) return {};
  return fail({.what = "nodes of the two modules cannot run side by side",
               .why = why + "; they would look for its entities in different places",
               .help = {"stop all nodes for it with 'epic stop', then 'epic run'"}});
}

}  // namespace epic::cli

#include "cli/fabric/node_action.hpp"

#include <fmt/format.h>

#include <boost/json/object.hpp>

#include "cli/context.hpp"
#include "cli/fabric/live_fabric.hpp"

namespace epic::cli {

namespace {

constexpr std::chrono::minutes kPatience(2);  // a drained node finishes what it is in

}  // namespace

Outcome act_on_node(Context& context, const Arguments& arguments, std::string_view verb, std::string_view done,
                    std::string_view hint) {
  const auto paths = context.paths(arguments);
  if (!paths) return std::unexpected(paths.error());
  auto fabric = LiveFabric::get(*paths);
  if (!fabric) return std::unexpected(std::move(fabric.error()));
  const std::string node = arguments.word(0).value_or("");
  const auto answer = fabric->ask(verb, boost::json::object{{"node", node}}, kPatience);
  if (!answer) return std::unexpected(answer.error());
  Console& console = context.console();
  if (console.is_json()) console.print_json(*answer);
  const auto* pid = answer->is_object() ? answer->get_object().if_contains("pid") : nullptr;
  const std::string process =
      pid != nullptr && pid->is_number() ? fmt::format(" (process {})", pid->to_number<std::int64_t>()) : "";
  console.note(fmt::format("{} {}{}{}", done, node, process, hint));
  return ExitCode::ok;
}

}  // namespace epic::cli

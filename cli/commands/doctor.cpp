// epic doctor: checks everything epic needs, on this machine and in this project, and says how to fix each problem.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/fabric/health.hpp"
#include "cli/output/table.hpp"
#include "cli/project/checkup.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr ExitNote kDoctorExitCodes[] = {
    {ExitCode::failed, "a check failed"},
};

constexpr Column kDoctorColumns[] = {
    {"STATE", "state", Show::state},
    {"WHAT", "what"},
    {"FOUND", "found"},
    {"FIX", "fix"},
};

Outcome run_doctor(Context& context, const Arguments& arguments) {
  std::vector<Finding> findings = check_up(context.install(), context.find(arguments));
  if (const auto project = context.project(arguments)) {
    for (Finding& finding : check_store(*project)) findings.push_back(std::move(finding));
    for (Finding& finding : check_coordination_service(*project)) findings.push_back(std::move(finding));
    for (Finding& finding : check_fabric(project->paths)) findings.push_back(std::move(finding));
  }
  Table table(context.console(), kDoctorColumns);
  int broken = 0;
  for (const Finding& finding : findings) {
    if (finding.state == Finding::State::broken) ++broken;
    table.add(finding);
  }
  table.finish();
  if (broken == 0) return ExitCode::ok;
  context.console().note(fmt::format("{} of {} checks failed", broken, findings.size()));
  return ExitCode::failed;
}

}  // namespace

constexpr Command kDoctorCommand{
    .path = "doctor",
    .group = Group::tool,
    .summary = "Check the toolchain, the installation and this project",
    .description =
        "Checks the compiler, CMake and Ninja, epic-node and its version; inside a project also epic.toml, the\n"
        "directories, the sockets, the store (space, permissions, its log, and as many snapshots as it can read\n"
        "in two seconds), the coordination service, and the fabric, including nodes that cannot save. Changes\n"
        "nothing.",
    .example = "epic doctor\nepic doctor -o json",
    .exit_codes = kDoctorExitCodes,
    .run = run_doctor,
};

}  // namespace epic::cli

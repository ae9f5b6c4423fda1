#include "cli/project/joining.hpp"

#include <fmt/format.h>

#include <optional>
#include <system_error>
#include <utility>

#include "cli/project/credentials.hpp"
#include "cli/project/fabric_search.hpp"
#include "cli/project/machine_paths.hpp"
#include "cluster/coordination/open_coordination.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

Failure lacks_secret(std::string what) {
  return {.code = ExitCode::usage,
          .what = std::move(what),
          .help = {"copy the secret file of its first machine to this one, and name it: --secret-file FILE"}};
}

/// Where the directory of the command is, which is to be that of a machine that joins.
Result<fs::path> find_own_directory(Context& context, const Arguments& arguments) {
  std::error_code error;
  const fs::path here = fs::weakly_canonical(context.start(arguments), error);
  if (error || !fs::is_directory(here, error))
    return fail({.code = ExitCode::usage, .what = fmt::format("the directory {} does not exist", here.string())});
  if (fs::exists(here / "epic.toml", error))
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("{} has an epic.toml", here.string()),
                 .why = "a machine that joins needs a directory of its own, outside of any project",
                 .help = {"make an empty directory, and run the command there"}});
  return here;
}

/// A project on this machine, with the directory of the command for what runs.
Result<Target> join_project(Context& context, const Arguments& arguments, const std::string& directory) {
  auto project = EPIC_TRY(load_project(directory));
  const fs::path here = EPIC_TRY(find_own_directory(context, arguments));
  EPIC_TRY(check_may_be_joined(project));
  project.paths.run_root = here;
  EPIC_TRY(remember_joined(here, project.paths.root));
  return Target{.project = std::move(project), .module = ModuleFrom::project};
}

/// The fabric that `find` finds.
template <class Find>
Result<Target> join_fabric(Context& context, const Arguments& arguments, const std::string& name, const Find& find) {
  const fs::path here = EPIC_TRY(find_own_directory(context, arguments));
  const auto place = EPIC_TRY(find_credentials(arguments, Manifest(), here));
  if (place.is_empty()) return fail(lacks_secret(fmt::format("joining the fabric at {} needs its secret", name)));
  EPIC_TRY(check_usable(place));
  const auto found = EPIC_TRY(find(place));
  auto project = EPIC_TRY(join_machine(here, found.address, found.settings.manifest));
  return Target{.project = std::move(project), .module = ModuleFrom::fabric, .own_address = found.own_address};
}

/// What this directory has joined before, with the list of its settings.
Result<Target> join_again(Context& context, const Arguments& arguments, const Project& joined) {
  if (joined.paths.joined_at.empty()) return join_project(context, arguments, joined.paths.root);
  Manifest manifest = joined.manifest;
  manifest.machines.insert(manifest.machines.begin(), joined.paths.joined_at);
  return join_fabric(context, arguments, joined.paths.joined_at,
                     [&](const auto& place) { return find_own_fabric(manifest, place); });
}

/// The copy of a project becomes a part of the fabric that runs elsewhere.
Result<Target> become_machine(Context& context, const Project& project, const cluster::JoinTerms& found) {
  auto manifest = EPIC_TRY(parse_manifest(found.settings.manifest, fmt::format("epic.toml of {}", found.address)));
  const Manifest& own = project.manifest;
  manifest.nodes = own.nodes;
  manifest.listen = own.listen;
  manifest.secret_file = own.secret_file;
  manifest.certificates = own.certificates;
  manifest.beacon = own.beacon;
  manifest.machines = own.machines;
  Target target{.project = with_settings(project.paths, std::move(manifest)),
                .module = ModuleFrom::project,
                .own_address = own.listen.empty() ? found.own_address : own.listen};
  target.project.paths.joined_at = found.address;
  context.console().note(
      fmt::format("Joining the fabric of {} at {}, with its settings and its module.", own.name, found.address));
  return target;
}

/// With `--join`, and no place: it is an error if there is no such fabric.
Result<Target> join_own_fabric(Context& context, const Arguments& arguments) {
  const auto project = EPIC_TRY(context.project(arguments));
  if (project.paths.has_joined()) return join_again(context, arguments, project);
  EPIC_TRY(check_may_be_joined(project));
  const auto place = EPIC_TRY(find_credentials(arguments, project.manifest, project.paths.root));
  if (place.is_empty())
    return fail(lacks_secret(fmt::format("joining the fabric of {} needs its secret", project.manifest.name)));
  EPIC_TRY(check_usable(place));
  return become_machine(context, project, EPIC_TRY(find_own_fabric(project.manifest, place)));
}

/// The machines of `epic run --machines` are on this computer alone.
bool is_rehearsal(const Arguments& arguments, const Project& project) {
  return arguments.has("machines") || find_machine_keeper(MachinePaths(project.paths.root));
}

/// Nobody is there to be joined.
Result<void> begin_alone(Context& context, const Arguments& arguments, const Manifest& manifest, const Failure& why) {
  context.console().note(fmt::format("No machine of [cluster] machines answers, so this one begins: {}{}{}", why.what,
                                     why.why.empty() ? "" : "; ", why.why));
  if (!manifest.listen.empty() || arguments.has("listen")) return {};
  return fail(
      {.code = ExitCode::usage,
       .what = "the other machines of [cluster] machines could not reach this one",
       .why = "it does not listen at any address",
       .help = {"name an address of this machine: listen in [cluster] of epic.toml, EPIC_LISTEN, or --listen"}});
}

}  // namespace

Result<transport::CredentialPlace> find_credentials(const Arguments& arguments, const Manifest& manifest,
                                                    const fs::path& root) {
  return choose_credentials(arguments, {.secret_file = manifest.secret_file,
                                        .certificates = manifest.certificates,
                                        .root = root,
                                        .where = fmt::format("[cluster] of {}", (root / "epic.toml").string())});
}

Result<void> check_may_be_joined(const Project& project) {
  if (project.manifest.coordination == kAlone)
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("no other machine can join the fabric of {}", project.manifest.name),
                 .why = fmt::format("coordination is \"{}\" in its epic.toml", kAlone),
                 .help = {fmt::format("set it to {}, and restart the fabric", cluster::coordination_settings_text())}});
  return {};
}

Result<Target> find_target(Context& context, const Arguments& arguments) {
  const auto join = arguments.value("join");
  std::error_code ignored;
  if (join && join->empty()) return join_own_fabric(context, arguments);
  if (join && (join->contains('/') || fs::is_directory(*join, ignored))) return join_project(context, arguments, *join);
  if (join)
    return join_fabric(context, arguments, *join, [&](const auto& place) { return find_machine(*join, place); });
  auto project = EPIC_TRY(context.project(arguments));
  if (project.paths.has_joined()) {
    const std::string what = project.paths.joined_at.empty() ? project.paths.root.string() : project.paths.joined_at;
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("{} is not a project: it has joined {}", project.paths.run_root.string(), what),
                 .help = {"join again with 'epic run --join'"}});
  }
  return Target{.project = std::move(project)};
}

Result<void> ask_listed(Context& context, const Arguments& arguments, Target& target) {
  const Project& project = target.project;
  const Manifest& manifest = project.manifest;
  if (target.module != ModuleFrom::build || manifest.machines.empty() || is_rehearsal(arguments, project)) return {};
  if (auto checked = check_may_be_joined(project); !checked) {
    checked.error().what = fmt::format("[cluster] lists machines, but {}", checked.error().what);
    return checked;
  }
  const auto place = EPIC_TRY(find_credentials(arguments, manifest, project.paths.root));
  if (place.is_empty())
    return fail(
        {.code = ExitCode::usage,
         .what = "[cluster] lists machines, but there is no secret with which they prove that they belong together",
         .help = {"make one: (umask 077; openssl rand -hex 32 > cluster.secret), and copy it to each machine",
                  "and name it: secret_file = \"cluster.secret\" in [cluster], or --secret-file FILE"}});
  EPIC_TRY(check_usable(place));
  const auto found = find_listed(manifest, place);
  if (!found) return begin_alone(context, arguments, manifest, found.error());
  if (arguments.has("exit-after-setup"))
    return fail({.what = fmt::format("{} is running already, at {}", manifest.name, found->address),
                 .help = {"look at it with 'epic ps'", "or join it without --exit-after-setup"}});
  target = EPIC_TRY(become_machine(context, project, *found));
  return {};
}

}  // namespace epic::cli

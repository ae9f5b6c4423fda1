#pragma once
// Context: what each command gets: the console, where epic is installed, and the project that it was run in.

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "cli/output/console.hpp"
#include "cli/parser/arguments.hpp"
#include "cli/project/connection.hpp"
#include "cli/project/install_paths.hpp"
#include "cli/project/project.hpp"

namespace epic::cli {

class Context {
 public:
  Context(Console& console, InstallPaths install) : console_(&console), install_(std::move(install)) {}

  [[nodiscard]] Console& console() const { return *console_; }
  [[nodiscard]] const InstallPaths& install() const { return install_; }

  /// The directory given with -C, or the working directory.
  [[nodiscard]] std::filesystem::path start(const Arguments& arguments) const {
    return arguments.value("project").value_or(".");
  }
  /// Fails for a broken epic.toml, as project() does, so that every command answers it alike. For a command that
  /// connects, it may be a fabric elsewhere, which has no directory.
  [[nodiscard]] Result<ProjectPaths> paths(const Arguments& arguments) const {
    auto found = EPIC_TRY(project(arguments));
    return std::move(found.paths);
  }
  [[nodiscard]] Result<Project> project(const Arguments& arguments) const {
    auto loaded = EPIC_TRY(load(arguments));
    loaded.paths.on_waiting = [console = console_, is_said = false](std::string_view what) mutable {
      if (!std::exchange(is_said, true)) console->note(std::string(what));
    };
    return loaded;
  }
  /// Without reading epic.toml.
  [[nodiscard]] Result<ProjectPaths> find(const Arguments& arguments) const { return find_project(start(arguments)); }

 private:
  [[nodiscard]] Result<Project> load(const Arguments& arguments) const {
    if (const auto place = EPIC_TRY(chosen_place(arguments))) return connect_project(*place);
    if (arguments.command().connects && !arguments.is_typed("project") && !is_in_project(start(arguments)))
      if (const auto place = EPIC_TRY(default_place(arguments))) return connect_project(*place);
    return load_project(start(arguments));
  }

  Console* console_;
  InstallPaths install_;
};

}  // namespace epic::cli

#pragma once
// Connection: a fabric that runs elsewhere, which a command looks at without its project (--connect).
//
// Its settings come with the connection, so commands that read the store find it, if they reach it from here. There is
// no directory: ProjectPaths::root leads nowhere.
//
// Not here: requests (../fabric/live_fabric.hpp).

#include <optional>
#include <string>

#include "cli/output/failure.hpp"
#include "cli/parser/arguments.hpp"
#include "cli/project/project.hpp"
#include "cluster/supervisor/remote_control.hpp"

namespace epic::cli {

struct Connection {
  cluster::RemotePlace place;
  std::optional<cluster::ControlClient> client;  // until it is used
  std::optional<Failure> settings_fault = {};    // why this version cannot read the fabric's settings
};

/// What --connect or EPIC_CONNECT says, by the name of a saved connection or as an address; -C on the command line
/// comes before the variable. Empty: nothing, or the command does not connect.
[[nodiscard]] Result<std::optional<cluster::RemotePlace>> chosen_place(const Arguments& arguments);
/// What a command that connects looks at outside of projects: the user's setting `connect`. Empty: there is none.
[[nodiscard]] Result<std::optional<cluster::RemotePlace>> default_place(const Arguments& arguments);
/// Connects, and reads its settings.
[[nodiscard]] Result<Project> connect_project(const cluster::RemotePlace& place);
/// The first time the connection that connect_project() has made.
[[nodiscard]] Result<cluster::ControlClient> client_of(Connection& connection);

[[nodiscard]] Failure failure_of(const cluster::ControlError& error);

}  // namespace epic::cli

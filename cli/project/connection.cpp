#include "cli/project/connection.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "cli/project/credentials.hpp"
#include "cli/project/machine_address.hpp"
#include "cli/project/user_settings.hpp"
#include "storage/open_store.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

using cluster::ControlErrorCode;

ExitCode exit_code_of(ControlErrorCode code) {
  switch (code) {
    case ControlErrorCode::no_fabric:
    case ControlErrorCode::not_found:
      return ExitCode::not_found;
    case ControlErrorCode::unreachable:
      return ExitCode::unreachable;
    case ControlErrorCode::bad_request:
      return ExitCode::usage;
    case ControlErrorCode::failed:
      return ExitCode::failed;
  }
  return ExitCode::failed;
}

/// No file can be below it.
constexpr const char* kNowhere = "/dev/null";

SavedConnection saved_as(const std::string& wanted, const UserSettings& settings) {
  const auto named = settings.connections.find(wanted);
  return named == settings.connections.end() ? SavedConnection() : named->second;
}

/// `wanted`: the name of a connection, or an address. The error is a phrase.
std::expected<MachineAddress, std::string> find_address(const std::string& wanted, const UserSettings& settings) {
  const SavedConnection saved = saved_as(wanted, settings);
  return parse_machine_address(saved.address.empty() ? wanted : saved.address);
}

Result<cluster::RemotePlace> with_credentials(const Arguments& arguments, const MachineAddress& address,
                                              const std::string& wanted, const UserSettings& settings) {
  const SavedConnection saved = saved_as(wanted, settings);
  cluster::RemotePlace place{.host = address.host, .port = address.port};
  place.credentials = EPIC_TRY(choose_credentials(
      arguments, {.secret_file = saved.secret_file,
                  .certificates = saved.certificates,
                  .root = {},
                  .where = fmt::format("[connection.{}] of {}", wanted, user_settings_file().value_or("").string())}));
  if (!place.credentials.is_empty()) return place;
  return fail({.code = ExitCode::usage,
               .what = fmt::format("connecting to the fabric at {} needs its secret", place.text()),
               .help = {"copy the secret file of one of its machines to this one, and name it: --secret-file FILE, or "
                        "EPIC_SECRET_FILE"}});
}

}  // namespace

Failure failure_of(const cluster::ControlError& error) {
  Failure failure{.code = exit_code_of(error.code), .what = error.message};
  while (failure.what.ends_with('.') || failure.what.ends_with('\n')) failure.what.pop_back();
  if (error.detail.hint) failure.help.push_back(*error.detail.hint);
  if (error.detail.log) failure.log = *error.detail.log;
  return failure;
}

Result<std::optional<cluster::RemotePlace>> chosen_place(const Arguments& arguments) {
  const std::string wanted = arguments.value("connect").value_or("");
  const bool is_typed = arguments.is_typed("connect");
  if (is_typed && arguments.is_typed("project"))
    return fail(usage_failure(arguments.command(), "--connect and --project exclude each other"));
  if (wanted.empty() || (!is_typed && arguments.is_typed("project"))) return std::nullopt;
  const auto settings = EPIC_TRY(read_user_settings());
  const auto address = find_address(wanted, settings);
  if (address) return with_credentials(arguments, *address, wanted, settings);
  Failure failure = usage_failure(arguments.command(), fmt::format("--connect: {}", address.error()));
  if (!is_typed) failure.why = "the value comes from the environment variable EPIC_CONNECT";
  return fail(std::move(failure));
}

Result<std::optional<cluster::RemotePlace>> default_place(const Arguments& arguments) {
  const auto settings = EPIC_TRY(read_user_settings());
  if (settings.connect.empty()) return std::nullopt;
  const auto address = find_address(settings.connect, settings);
  if (address) return with_credentials(arguments, *address, settings.connect, settings);
  return fail({.code = ExitCode::usage, .what = fmt::format("the setting connect: {}", address.error())});
}

Result<Project> connect_project(const cluster::RemotePlace& place) {
  auto fabric = cluster::connect_to_fabric(place, EPIC_VERSION);
  if (!fabric) return fail(failure_of(fabric.error()));
  auto connection = std::make_shared<Connection>(Connection{.place = place, .client = std::move(fabric->client)});
  ProjectPaths paths(fs::path(kNowhere) / place.text());
  auto manifest = parse_manifest(fabric->manifest, fmt::format("epic.toml of {}", place.text()));
  if (manifest)
    paths.store = storage::locate_store(manifest->store, paths.root / ".epic");
  else
    connection->settings_fault = std::move(manifest.error());
  paths.connection = std::move(connection);
  return Project{std::move(paths), manifest ? *std::move(manifest) : Manifest()};
}

Result<cluster::ControlClient> client_of(Connection& connection) {
  if (auto first = std::exchange(connection.client, std::nullopt)) return *std::move(first);
  auto fabric = cluster::connect_to_fabric(connection.place, EPIC_VERSION);
  if (!fabric) return fail(failure_of(fabric.error()));
  return std::move(fabric->client);
}

}  // namespace epic::cli

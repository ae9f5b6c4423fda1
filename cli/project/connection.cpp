#include "cli/project/connection.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "cli/project/machine_address.hpp"
#include "cli/project/user_settings.hpp"

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

/// Options before what is saved with the connection.
transport::CredentialPlace credentials_of(const Arguments& arguments, const SavedConnection& saved) {
  const auto secret = arguments.value("secret-file");
  const auto certificates = arguments.value("certificates");
  transport::CredentialPlace place;
  if (secret && (arguments.is_typed("secret-file") || !arguments.is_typed("certificates")))
    place.secret_file = fs::absolute(*secret);
  else if (certificates)
    place.certificates = transport::certificates_in(fs::absolute(*certificates));
  else if (!saved.secret_file.empty())
    place.secret_file = saved.secret_file;
  else if (!saved.certificates.empty())
    place.certificates = transport::certificates_in(saved.certificates);
  return place;
}

/// `wanted`: the name of a connection, or an address. The error is a phrase.
std::expected<cluster::RemotePlace, std::string> find_place(const Arguments& arguments, const std::string& wanted,
                                                            const UserSettings& settings) {
  const auto named = settings.connections.find(wanted);
  const SavedConnection saved = named == settings.connections.end() ? SavedConnection() : named->second;
  const auto address = parse_machine_address(saved.address.empty() ? wanted : saved.address);
  if (!address) return std::unexpected(address.error());
  return cluster::RemotePlace{
      .host = address->host, .port = address->port, .credentials = credentials_of(arguments, saved)};
}

Result<cluster::RemotePlace> checked(cluster::RemotePlace place) {
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
  auto place = find_place(arguments, wanted, settings);
  if (place) return checked(*std::move(place));
  Failure failure = usage_failure(arguments.command(), fmt::format("--connect: {}", place.error()));
  if (!is_typed) failure.why = "the value comes from the environment variable EPIC_CONNECT";
  return fail(std::move(failure));
}

Result<std::optional<cluster::RemotePlace>> default_place(const Arguments& arguments) {
  const auto settings = EPIC_TRY(read_user_settings());
  if (settings.connect.empty()) return std::nullopt;
  auto place = find_place(arguments, settings.connect, settings);
  if (place) return checked(*std::move(place));
  return fail({.code = ExitCode::usage, .what = fmt::format("the setting connect: {}", place.error())});
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

#include "cli/project/fabric_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "cli/output/humanize.hpp"
#include "cli/project/machine_address.hpp"
#include "cli/project/manifest.hpp"
#include "cli/project/project.hpp"
#include "cluster/supervisor/beacon.hpp"
#include "protocol/machine_place.hpp"

namespace epic::cli {
namespace {

std::expected<FoundMachine, cluster::SupervisorError> ask_machine(const std::string& host, std::uint16_t port,
                                                                  const transport::CredentialPlace& place) {
  auto terms = cluster::ask_to_join(host, port, place, EPIC_VERSION);
  if (!terms) return std::unexpected(std::move(terms.error()));
  return FoundMachine{.address = protocol::format_tcp_address(host, port), .terms = *std::move(terms)};
}

/// `list`: HOST:PORT, or several with commas between.
Result<FoundMachine> find_in_list(const std::string& list, const transport::CredentialPlace& place) {
  std::vector<MachineAddress> addresses;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const auto address = parse_machine_address(list.substr(begin, end - begin));
    if (!address) return fail({.code = ExitCode::usage, .what = fmt::format("--join: {}", address.error())});
    addresses.push_back(*address);
    begin = end + 1;
  }
  std::optional<Failure> failure;
  for (const MachineAddress& address : addresses) {
    auto found = ask_machine(address.host, address.port, place);
    if (found) return *std::move(found);
    Failure one = failure_of(found.error());
    if (failure)
      failure->why += (failure->why.empty() ? "" : "; ") + one.what;
    else
      failure = std::move(one);
  }
  return fail(*std::move(failure));
}

constexpr std::chrono::seconds kBeaconPatience{5};

/// What a beacon says is only a place to try.
Result<FoundMachine> find_by_name(const std::string& fabric, const transport::CredentialPlace& place) {
  std::optional<FoundMachine> machine;
  std::string refused;
  const auto heard =
      cluster::listen_for_beacons(fabric, kBeaconPatience, [&](const std::string& host, std::uint16_t port) {
        auto found = ask_machine(host, port, place);
        if (found && parse_manifest(found->terms.settings.manifest, "").value_or(Manifest()).name == fabric)
          machine = *std::move(found);
        else if (!found)
          refused += (refused.empty() ? "" : "; ") + failure_of(found.error()).what;
        return machine.has_value();
      });
  if (machine) return *std::move(machine);
  Failure failure{.code = ExitCode::unreachable,
                  .what = fmt::format("no machine of a fabric {} was found in {}", fabric,
                                      human_duration(std::chrono::milliseconds(kBeaconPatience)))};
  failure.why = !heard            ? fmt::format("beacons cannot be heard: {}", heard.error())
                : refused.empty() ? fmt::format("no beacon of that name came to {}:{}, and no host is called that",
                                                cluster::kBeaconGroup, cluster::kBeaconPort)
                                  : refused;
  failure.help = {"name one of its machines: --join HOST:PORT, as 'epic run' prints it there",
                  "or let it be found in its network: beacon = true in [cluster] of its epic.toml"};
  return fail(std::move(failure));
}

}  // namespace

Failure failure_of(const cluster::SupervisorError& error) {
  Failure failure{.what = error.message, .log = error.log};
  while (failure.what.ends_with('.')) failure.what.pop_back();
  if (!error.hint.empty()) failure.help = {error.hint};
  return failure;
}

Result<FoundMachine> find_machine(const std::string& text, const transport::CredentialPlace& place) {
  const bool may_be_a_name = text.find_first_of(".:,") == std::string::npos && why_no_project_name(text).empty();
  return may_be_a_name && !is_host(text) ? find_by_name(text, place) : find_in_list(text, place);
}

}  // namespace epic::cli

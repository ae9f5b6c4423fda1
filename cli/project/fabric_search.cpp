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

namespace epic::cli {
namespace {

using FindFault = decltype(cluster::JoinQuestion::find_fault);

/// Of a list, while a machine waits to begin by itself.
constexpr std::chrono::seconds kListPatience{3};

/// The first failure, with the others as its reason.
Failure joined_failure(const std::vector<cluster::SupervisorError>& errors) {
  Failure failure = failure_of(errors.front());
  for (std::size_t i = 1; i < errors.size(); ++i)
    failure.why += (failure.why.empty() ? "" : "; ") + failure_of(errors[i]).what;
  return failure;
}

Result<cluster::JoinTerms> ask(cluster::JoinQuestion question, const transport::CredentialPlace& place) {
  question.version = EPIC_VERSION;
  auto terms = cluster::ask_to_join(question, place);
  if (terms) return *std::move(terms);
  return fail(joined_failure(terms.error()));
}

/// `list`: HOST:PORT, or several with commas between.
Result<cluster::JoinTerms> find_in_list(const std::string& list, const transport::CredentialPlace& place) {
  cluster::JoinQuestion question;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const auto address = parse_machine_address(list.substr(begin, end - begin));
    if (!address) return fail({.code = ExitCode::usage, .what = fmt::format("--join: {}", address.error())});
    question.places.push_back({address->host, address->port});
    begin = end + 1;
  }
  return ask(std::move(question), place);
}

/// Refuses machines of other fabrics, which may have the same secret.
FindFault is_of(const std::string& fabric) {
  return [fabric](const std::string& address, const protocol::Settings& settings) {
    const std::string name = parse_manifest(settings.manifest, "").value_or(Manifest()).name;
    return name == fabric ? std::string() : fmt::format("The fabric at {} is {}, not {}.", address, name, fabric);
  };
}

constexpr std::chrono::seconds kBeaconPatience{5};

/// What a beacon says is only a place to try.
Result<cluster::JoinTerms> find_by_name(const std::string& fabric, const transport::CredentialPlace& place) {
  std::optional<cluster::JoinTerms> machine;
  std::string refused;
  const auto heard =
      cluster::listen_for_beacons(fabric, kBeaconPatience, [&](const std::string& host, std::uint16_t port) {
        auto found = ask({.places = {{host, port}}, .find_fault = is_of(fabric)}, place);
        if (found)
          machine = *std::move(found);
        else
          refused += (refused.empty() ? "" : "; ") + found.error().what;
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

Result<cluster::JoinTerms> find_machine(const std::string& text, const transport::CredentialPlace& place) {
  const bool may_be_a_name = text.find_first_of(".:,") == std::string::npos && why_no_project_name(text).empty();
  return may_be_a_name && !is_host(text) ? find_by_name(text, place) : find_in_list(text, place);
}

Result<cluster::JoinTerms> find_listed(const Manifest& manifest, const transport::CredentialPlace& place) {
  cluster::JoinQuestion question{.places = {}, .timeout = kListPatience, .find_fault = is_of(manifest.name)};
  for (const std::string& text : manifest.machines) {
    const auto address = parse_machine_address(text).value();  // the manifest has checked it
    question.places.push_back({address.host, address.port});
  }
  return ask(std::move(question), place);
}

Result<cluster::JoinTerms> find_own_fabric(const Manifest& manifest, const transport::CredentialPlace& place) {
  if (manifest.machines.empty()) return find_by_name(manifest.name, place);
  auto listed = find_listed(manifest, place);
  if (listed || !manifest.beacon) return listed;
  auto heard = find_by_name(manifest.name, place);
  if (!heard) return listed;
  return heard;
}

}  // namespace epic::cli

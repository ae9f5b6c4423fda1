#include "cluster/coordination/open_coordination.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "cluster/coordination/etcd_coordination.hpp"
#include "cluster/coordination/etcd_http.hpp"
#include "cluster/coordination/postgres_coordination.hpp"
#include "kernel/assert.hpp"

namespace epic::cluster {

namespace {

constexpr std::string_view kInDatabase = "postgresql";
constexpr std::string_view kEtcdUrl = "etcd://";
/// Within a lease there is time to find that a server does not answer, and to ask another.
constexpr int kAnswersPerLease = 5;
constexpr std::chrono::seconds kAnswerTimeoutMax{2};
constexpr std::chrono::seconds kTriedFor{10};

struct EtcdPlace {
  std::vector<std::string> endpoints;
  std::string name;  // empty: the project's
};

bool is_in_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_'; }

std::expected<EtcdPlace, std::string> parse_etcd_place(std::string_view url) {
  EPIC_ASSERT(url.starts_with(kEtcdUrl), "'{}' is no URL of etcd", url);
  std::string_view hosts = url.substr(kEtcdUrl.size());
  EtcdPlace place;
  if (const std::size_t slash = hosts.find('/'); slash != std::string_view::npos) {
    place.name = hosts.substr(slash + 1);
    hosts = hosts.substr(0, slash);
  }
  for (bool is_last = false; !is_last;) {
    const std::size_t comma = hosts.find(',');
    place.endpoints.emplace_back(hosts.substr(0, comma));
    if (const auto read = parse_etcd_endpoint(place.endpoints.back()); !read) return std::unexpected(read.error());
    is_last = comma == std::string_view::npos;
    hosts.remove_prefix(is_last ? hosts.size() : comma + 1);
  }
  if (!std::ranges::all_of(place.name, is_in_name))
    return std::unexpected(fmt::format("'{}' cannot name the fabric: use letters, digits, '-' and '_'", place.name));
  return place;
}

}  // namespace

std::expected<void, std::string> check_coordination(std::string_view setting) {
  if (setting == kInDatabase) return {};
  if (!setting.starts_with(kEtcdUrl))
    return std::unexpected(fmt::format("it is neither \"{}\" nor a URL that begins with {}", kInDatabase, kEtcdUrl));
  if (const auto place = parse_etcd_place(setting); !place) return std::unexpected(place.error());
  return {};
}

std::string coordination_settings_text() {
  return fmt::format("\"{}\", or the servers of etcd as \"{}HOST:PORT,HOST:PORT\"", kInDatabase, kEtcdUrl);
}

std::string describe_coordination(const CoordinationPlace& place) {
  if (place.setting == kInDatabase) return fmt::format("the database '{}'", place.store);
  return fmt::format("etcd at {}", fmt::join(parse_etcd_place(place.setting).value().endpoints, ", "));
}

std::unique_ptr<Coordination> open_coordination(const CoordinationPlace& place, std::chrono::nanoseconds lease,
                                                boost::asio::io_context& context) {
  if (place.setting == kInDatabase) return std::make_unique<PostgresCoordination>(context, place.store, lease);
  auto etcd = parse_etcd_place(place.setting).value();
  auto opened = EtcdCoordination::make(
      context, {.endpoints = std::move(etcd.endpoints),
                .name = etcd.name.empty() ? place.project : std::move(etcd.name),
                .answer_timeout = std::min<std::chrono::nanoseconds>(kAnswerTimeoutMax, lease / kAnswersPerLease)});
  EPIC_ASSERT(opened.has_value(), "{}", opened.error());
  return *std::move(opened);
}

std::expected<void, std::string> try_coordination(const CoordinationPlace& place) {
  if (place.setting == kInDatabase) return try_postgres_coordination(place.store);
  boost::asio::io_context context;
  std::expected<void, std::string> result =
      std::unexpected(fmt::format("{} does not answer.", describe_coordination(place)));
  const auto coordination = open_coordination(place, kTriedFor, context);
  coordination->renew(LeaseId{1}, [&](const std::expected<bool, CoordinationError>& renewed) {  // there is none
    if (renewed)
      result = {};
    else
      result = std::unexpected(renewed.error().message);
    context.stop();
  });
  context.run_for(kTriedFor);
  return result;
}

}  // namespace epic::cluster

#pragma once
// LiveFabric: the running fabric of a project, asked over its control socket.
//
// Answers come as JSON, in the shapes that cluster/README.md lists; refusals come as failures with the exit code that
// fits and the nearest name that exists.

#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string_view>

#include "cli/fabric/catalog.hpp"
#include "cli/output/failure.hpp"
#include "cli/project/project.hpp"
#include "cluster/control_client.hpp"

namespace epic::cli {

class LiveFabric {
 public:
  /// Empty when none is running; a failure when one is there that does not answer.
  static Result<std::optional<LiveFabric>> find(const ProjectPaths& paths);
  /// A failure of the kind not_found when none is running.
  static Result<LiveFabric> get(const ProjectPaths& paths);

  Result<boost::json::value> ask(std::string_view verb, boost::json::value body,
                                 std::chrono::milliseconds patience = std::chrono::seconds(10));
  Result<void> stream(std::string_view verb, boost::json::value body,
                      const std::function<bool(const boost::json::object&)>& on_part);
  /// The text of each part as it came.
  Result<void> stream_text(std::string_view verb, boost::json::value body,
                           const std::function<bool(std::string_view)>& on_part);
  /// Types and methods; empty if that cannot be learnt.
  Catalog catalog(std::chrono::milliseconds patience = std::chrono::seconds(5));

 private:
  explicit LiveFabric(cluster::ControlClient client) : client_(std::move(client)) {}
  cluster::ControlClient client_;
};

/// What to warn of before shards move; empty: they take their state along.
[[nodiscard]] std::string find_move_risk(const ProjectPaths& paths);
/// For what takes its time: it may go on though nobody waits any more.
[[nodiscard]] Failure still_going_on(Failure failure);
/// The failure of `epic stop` and others when there is no fabric.
Failure no_fabric_failure(const ProjectPaths& paths);

}  // namespace epic::cli

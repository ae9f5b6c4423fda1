#pragma once
// LiveFabric: the running fabric of a project, through its control socket.
//
// Requests and answers are those of protocol/control.hpp; refusals become failures with the matching exit code.

#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string_view>

#include "cli/output/failure.hpp"
#include "cli/project/catalog.hpp"
#include "cli/project/project.hpp"
#include "cluster/control/control_client.hpp"
#include "codec/described_json.hpp"
#include "protocol/control.hpp"

namespace epic::cli {
namespace control = protocol::control;

class LiveFabric {
 public:
  /// Empty if none is running; a failure if its supervisor does not answer within `silence_max`. Its system accepts
  /// connections even for one that is stopped, so it is asked.
  static Result<std::optional<LiveFabric>> find(const ProjectPaths& paths,
                                                std::chrono::milliseconds silence_max = kSilenceMax);
  /// The same of the supervisor in this directory alone; find() also asks other machines of `epic run --machines`.
  static Result<std::optional<LiveFabric>> find_here(const ProjectPaths& paths,
                                                     std::chrono::milliseconds silence_max = kSilenceMax);
  /// A not_found failure if none is running.
  static Result<LiveFabric> get(const ProjectPaths& paths);

  static constexpr std::chrono::seconds kTimeout{10};
  /// Longer than a supervisor can be kept from running by a machine that is short of processors or waits for its disk:
  /// the advice that follows is to kill it.
  static constexpr std::chrono::seconds kSilenceMax{5};

  /// `on_part`: gets the parts before the last, if it can be read.
  template <class Verb>
  Result<typename Verb::Answer> ask(const typename Verb::Request& request = {},
                                    std::chrono::milliseconds timeout = kTimeout,
                                    const std::function<void(const typename Verb::Answer&)>& on_part = {}) {
    const auto answer =
        EPIC_TRY(ask_json(Verb::kVerb, codec::describe_json(request), timeout, [&](const boost::json::value& part) {
          if (const auto read = codec::read_described<typename Verb::Answer>(part); read && on_part) on_part(*read);
        }));
    auto read = codec::read_described<typename Verb::Answer>(answer);
    if (!read) return fail(senseless_answer(Verb::kVerb, read.error()));
    return *std::move(read);
  }
  /// Until `on_part` returns false.
  template <class Verb>
  Result<void> stream(const typename Verb::Request& request,
                      const std::function<bool(const typename Verb::Answer&)>& on_part) {
    std::string problem;
    auto done = stream_text(Verb::kVerb, codec::describe_json(request), [&](std::string_view text) {
      const auto part = codec::read_described_text<typename Verb::Answer>(text);
      if (!part) problem = part.error();
      return part && on_part(*part);
    });
    if (!problem.empty()) return fail(senseless_answer(Verb::kVerb, problem));
    return done;
  }
  /// For verbs with values of users' types beside their fields.
  Result<boost::json::value> ask_json(const control::VerbInfo& verb, boost::json::value body,
                                      std::chrono::milliseconds timeout = kTimeout,
                                      const std::function<void(const boost::json::value&)>& on_part = {});
  /// Passes on the text of each part unchanged.
  Result<void> stream_text(const control::VerbInfo& verb, boost::json::value body,
                           const std::function<bool(std::string_view)>& on_part);
  /// Types and methods; empty if unavailable.
  Catalog catalog(std::chrono::milliseconds timeout = std::chrono::seconds(5));

 private:
  static Failure senseless_answer(const control::VerbInfo& verb, const std::string& why);
  LiveFabric(cluster::ControlClient client, const ProjectPaths& paths) : client_(std::move(client)), paths_(paths) {}
  [[nodiscard]] Failure failure_of(const cluster::ControlError& error) const;
  cluster::ControlClient client_;
  ProjectPaths paths_;
};

/// A warning to print before shards move; empty if they take their state along.
[[nodiscard]] std::string find_move_risk(const ProjectPaths& paths);
/// Progress of a node that is to stop.
[[nodiscard]] std::string describe_leaving(const std::string& node, std::uint64_t shards);
/// For requests that take long: they may go on after the client stops waiting.
[[nodiscard]] Failure still_going_on(Failure failure);
/// The failure of `epic stop` and others when no fabric is running.
Failure no_fabric_failure(const ProjectPaths& paths);

}  // namespace epic::cli

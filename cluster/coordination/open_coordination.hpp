#pragma once
// Which kinds of coordination there are besides the supervisor's own memory, what `[fabric] coordination` in epic.toml
// may say about them, and how each is opened.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "cluster/coordination/coordination.hpp"

namespace epic::cluster {

/// The setting, and what it leaves to others.
struct CoordinationPlace {
  std::string setting;  // "postgresql", or "etcd://HOST:PORT,HOST:PORT/NAME"
  std::string store;    // the URL of the fabric's store, which "postgresql" uses as well
  std::string project;  // names the fabric's keys in etcd, unless the setting has a NAME
};

/// The error is a sentence without a full stop: why the setting is none.
[[nodiscard]] std::expected<void, std::string> check_coordination(std::string_view setting);
/// What it may be, for people: "\"postgresql\" or …".
[[nodiscard]] std::string coordination_settings_text();
/// For messages: "etcd at 10.0.0.1:2379, 10.0.0.2:2379".
[[nodiscard]] std::string describe_coordination(const CoordinationPlace& place);

/// check_coordination() accepts the setting; `lease`: the shortest that is opened. Used on the thread that runs
/// `context`, and destroyed before that.
[[nodiscard]] std::unique_ptr<Coordination> open_coordination(const CoordinationPlace& place,
                                                              std::chrono::nanoseconds lease,
                                                              boost::asio::io_context& context);

/// Whether it answers now; waits for that, for a few seconds at most, and changes nothing. The error is a sentence.
[[nodiscard]] std::expected<void, std::string> try_coordination(const CoordinationPlace& place);

}  // namespace epic::cluster

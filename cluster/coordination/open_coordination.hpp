#pragma once
// Which kinds of coordination there are besides the supervisor's own memory, and how each is opened.

#include <boost/asio/io_context.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cluster/coordination/coordination.hpp"

namespace epic::cluster {

/// As `[fabric] coordination` in epic.toml names them.
[[nodiscard]] std::span<const std::string_view> coordination_kinds();

/// `kind` is one of coordination_kinds(); `store`: the URL of the fabric's store, which "postgresql" uses as well. Used
/// on the thread that runs `context`, and destroyed before that.
[[nodiscard]] std::unique_ptr<Coordination> open_coordination(std::string_view kind, const std::string& store,
                                                              boost::asio::io_context& context);

}  // namespace epic::cluster

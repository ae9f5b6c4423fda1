#include "cluster/coordination/open_coordination.hpp"

#include <array>

#include "cluster/coordination/postgres_coordination.hpp"
#include "kernel/assert.hpp"

namespace epic::cluster {

namespace {

constexpr std::array<std::string_view, 1> kCoordinationKinds{"postgresql"};

}  // namespace

std::span<const std::string_view> coordination_kinds() { return kCoordinationKinds; }

std::unique_ptr<Coordination> open_coordination(std::string_view kind, const std::string& store,
                                                boost::asio::io_context& context) {
  EPIC_ASSERT(kind == kCoordinationKinds.front(), "coordination '{}'", kind);
  return std::make_unique<PostgresCoordination>(context, store);
}

}  // namespace epic::cluster

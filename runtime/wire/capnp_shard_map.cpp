#include "wire/capnp_shard_map.hpp"

#include "wire/capnp_frame.hpp"

namespace epic::wire {

void write_shard_map(schema::ShardMap::Builder to, const kernel::ShardMap& map) {
  to.setVersion(map.version.value);
  auto owners = to.initOwners(static_cast<unsigned>(map.owners.size()));
  for (unsigned i = 0; i < owners.size(); ++i) owners.set(i, map.owners[i].value);
  auto members = to.initMembers(static_cast<unsigned>(map.members.size()));
  for (unsigned i = 0; i < members.size(); ++i) {
    members[i].setNode(map.members[i].node.value);
    members[i].setIncarnation(map.members[i].incarnation.value);
    members[i].setAddress(to_text(map.members[i].address));
  }
  auto moving = to.initMoving(static_cast<unsigned>(map.moving.size()));
  for (unsigned i = 0; i < moving.size(); ++i) moving.set(i, map.moving[i].value);
  auto owned_since = to.initOwnedSince(static_cast<unsigned>(map.owned_since.size()));
  for (unsigned i = 0; i < owned_since.size(); ++i) owned_since.set(i, map.owned_since[i].value);
}

kernel::ShardMap read_shard_map(schema::ShardMap::Reader from) {
  kernel::ShardMap map{
      .version = kernel::MapVersion{from.getVersion()}, .owners = {}, .members = {}, .moving = {}, .owned_since = {}};
  for (const auto owner : from.getOwners()) map.owners.push_back(kernel::NodeId{owner});
  for (const auto member : from.getMembers())
    map.members.push_back({kernel::NodeId{member.getNode()}, kernel::Incarnation{member.getIncarnation()},
                           to_string(member.getAddress())});
  for (const auto shard : from.getMoving()) map.moving.push_back(kernel::ShardId{shard});
  for (const auto version : from.getOwnedSince()) map.owned_since.push_back(kernel::MapVersion{version});
  return map;
}

}  // namespace epic::wire

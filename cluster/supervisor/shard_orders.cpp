#include "cluster/supervisor/shard_orders.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "protocol/map_change.hpp"

namespace epic::cluster {

namespace {

bool is_map(const ShardTable::Action& action) { return std::holds_alternative<ShardTable::Publish>(action); }

}  // namespace

ShardOrders::ShardOrders(Host& host, GrantWriter::OpenStore open_store, GrantWriter::Leadership leadership,
                         GrantWriter::Events events, ShardTable& shards, FabricTrail& trail, Send send)
    : host_(host),
      shards_(shards),
      trail_(trail),
      send_(std::move(send)),
      grants_(host, std::move(open_store), std::move(leadership), [&] {
        events.on_written = [this](const auto& orphans) { on_granted(orphans); };
        return std::move(events);
      }()) {}

void ShardOrders::carry_out() {
  if (is_ended_) return;
  std::ranges::move(shards_.take_actions(), std::back_inserter(actions_));
  if (granted_count_ > 0 || actions_.empty() || std::exchange(is_begun_later_, true)) return;
  host_.post([this] { begin(); });
}

void ShardOrders::begin() {
  is_begun_later_ = false;
  if (is_ended_) return;
  const auto newest = std::ranges::find_if(actions_.rbegin(), actions_.rend(), is_map);
  granted_count_ = actions_.size();
  if (newest == actions_.rend()) return on_granted({});
  grants_.write(std::get<ShardTable::Publish>(*newest).map);
}

void ShardOrders::on_granted(const std::vector<kernel::ShardId>& orphans) {
  shards_.note_orphans(orphans, host_.now());
  const auto end = actions_.begin() + static_cast<std::ptrdiff_t>(std::exchange(granted_count_, 0));
  std::vector<ShardTable::Action> granted(std::make_move_iterator(actions_.begin()), std::make_move_iterator(end));
  actions_.erase(actions_.begin(), end);
  if (is_ended_) return;
  for (std::size_t i = 0; i < granted.size(); ++i) {
    if (i + 1 < granted.size() && is_map(granted[i]) && is_map(granted[i + 1])) continue;
    if (auto* const publish = std::get_if<ShardTable::Publish>(&granted[i])) {
      std::ranges::copy(orphans, std::back_inserter(publish->map.orphaned));
      std::ranges::sort(publish->map.orphaned);
      publish->map.orphaned.erase(std::ranges::unique(publish->map.orphaned).begin(), publish->map.orphaned.end());
      this->publish(std::move(publish->map));
    } else {
      const auto& ask = std::get<ShardTable::AskRelease>(granted[i]);
      send_(ask.owner, SharedMessage(ask.release));
    }
  }
  if (!actions_.empty()) carry_out();
}

/// Members of the map before have that, and get what is new; others get all of it.
void ShardOrders::publish(kernel::ShardMap map) {
  trail_.on_map(map, host_.wall_now());
  const SharedMessage change(protocol::make_map_change(published_, map));
  std::optional<SharedMessage> whole;
  auto before = published_.members.begin();
  for (const auto& member : map.members) {
    while (before != published_.members.end() && before->node < member.node) ++before;
    if (before != published_.members.end() && *before == member) {
      send_(member.node, change);
    } else {
      if (!whole) whole.emplace(protocol::make_map_change({}, map));
      send_(member.node, *whole);
    }
  }
  published_ = std::move(map);
}

void ShardOrders::send_whole_map(kernel::NodeId node) {
  if (std::ranges::binary_search(published_.members, node, {}, &kernel::ShardMap::Member::node))
    send_(node, SharedMessage(protocol::make_map_change({}, published_)));
}

}  // namespace epic::cluster

#include "cluster/supervisor/restart.hpp"

#include <algorithm>
#include <utility>

namespace epic::cluster {

using kernel::NodeId;
using Kind = Restart::Order::Kind;

namespace {

/// A missing slot counts as one without a process.
Restart::Node find(std::span<const Restart::Node> nodes, NodeId id) {
  const auto found = std::ranges::find(nodes, id, &Restart::Node::id);
  return found == nodes.end() ? Restart::Node{.id = id, .generation = {}} : *found;
}

}  // namespace

Restart::Restart(RestartWay way, Generation next, std::vector<NodeId> nodes, NodeId extra)
    : way_(way), next_(next), nodes_(std::move(nodes)), extra_(extra) {}

Restart Restart::go_on(Generation next, std::vector<NodeId> nodes) {
  Restart restart(RestartWay::rolling, next, std::move(nodes), NodeId{0});
  restart.phase_ = Phase::renewing;
  return restart;
}

std::vector<Restart::Order> Restart::step(std::span<const Node> nodes) {
  std::vector<Order> orders;
  leave_out_lost(nodes);
  const auto has_process = [&](NodeId node) { return find(nodes, node).has_process; };
  const auto is_ready = [&](NodeId node) { return find(nodes, node).is_ready; };
  switch (phase_) {
    case Phase::begin:
      if (way_ == RestartWay::at_once) {
        stop_all(orders);
      } else {
        phase_ = Phase::trying;
        orders.push_back({Kind::try_new, extra_});
        orders.push_back({Kind::prepare, nodes_.front()});
      }
      break;
    case Phase::trying:
      if (!is_ready(extra_)) break;
      orders.push_back({Kind::tell_ready, extra_});
      phase_ = Phase::renewing;
      [[fallthrough]];
    case Phase::renewing:
      renew(nodes, orders);
      break;
    case Phase::leaving:
      if (has_process(extra_)) break;
      if (!is_given_up_) orders.push_back({Kind::tell_stopped, extra_});
      phase_ = Phase::done;
      break;
    case Phase::stopping:
      if (std::ranges::any_of(nodes, &Node::has_process)) break;
      start_all(orders);
      break;
    case Phase::starting:
      if (!std::ranges::all_of(nodes_, is_ready)) break;
      for (const NodeId node : nodes_) orders.push_back({Kind::tell_ready, node});
      renewed_ = nodes_.size();
      phase_ = Phase::done;
      break;
    case Phase::done:
      break;
  }
  return orders;
}

void Restart::leave_out_lost(std::span<const Node> nodes) {
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    if (find(nodes, nodes_[i]).has_machine) continue;
    nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(i));
    if (i < renewed_) --renewed_;
  }
}

/// Continues with the first node that does not run the new copy yet.
void Restart::renew(std::span<const Node> nodes, std::vector<Order>& orders) {
  while (renewed_ < nodes_.size()) {
    const Node node = find(nodes, nodes_[renewed_]);
    if (node.generation != next_ || !node.is_ready) {
      const bool is_to_go = node.is_ready && node.is_wanted;
      const bool is_gone = !node.has_process && !node.is_wanted;
      // Another node must be there to take its shards.
      const bool has_taker =
          std::ranges::any_of(nodes, [&](const Node& one) { return one.is_ready && one.generation == next_; });
      if (is_to_go && has_taker) {
        orders.push_back({Kind::drain, node.id});
        if (renewed_ + 1 < nodes_.size()) orders.push_back({Kind::prepare, nodes_[renewed_ + 1]});
      }
      if (is_gone) {
        orders.push_back({Kind::tell_stopped, node.id});
        orders.push_back({Kind::start, node.id});
      }
      return;
    }
    orders.push_back({Kind::tell_ready, node.id});
    ++renewed_;
  }
  // If all others have gone with their machines, the extra one stays.
  phase_ = extra_ == NodeId{0} || nodes_.empty() ? Phase::done : Phase::leaving;
  if (is_done()) return;
  orders.push_back({Kind::drain, extra_});
  orders.push_back({Kind::forget, extra_});
}

void Restart::stop_all(std::vector<Order>& orders) {
  phase_ = Phase::stopping;
  for (const NodeId node : nodes_) orders.push_back({Kind::stop, node});
}

void Restart::start_all(std::vector<Order>& orders) {
  phase_ = Phase::starting;
  for (const NodeId node : nodes_) orders.push_back({Kind::tell_stopped, node});
  orders.push_back({is_given_up_ ? Kind::begin_old : Kind::begin_new, NodeId{0}});
  for (const NodeId node : nodes_) orders.push_back({Kind::start, node});
}

bool Restart::try_give_up() {
  if (is_given_up_) return false;
  if (phase_ == Phase::trying) {
    is_given_up_ = true;
    phase_ = Phase::leaving;
    return true;
  }
  if (phase_ == Phase::starting) {
    is_given_up_ = true;
    phase_ = Phase::begin;
    return true;
  }
  return false;
}

}  // namespace epic::cluster

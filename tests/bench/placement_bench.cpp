// What a change of its members costs the leader of a large fabric, and how much each node is sent: shard table,
// placement, orders and the encoding of maps, without sockets and store.

#include <fmt/format.h>

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "cluster/supervisor/shard_orders.hpp"
#include "cluster/supervisor/shared_message.hpp"
#include "support/fake_host.hpp"

using namespace epic;
using namespace epic::cluster;
using kernel::Epoch;
using kernel::Incarnation;
using kernel::NodeId;
using kernel::ShardId;

namespace {

constexpr std::uint32_t kShards = 65'536;
constexpr std::size_t kNodesMax = 65'535;
constexpr std::chrono::milliseconds kTick{100};

/// What this thread has computed: what other programs do on the machine does not count.
std::chrono::nanoseconds computed() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// A fabric whose nodes do at once what they are told. Only the leader's time is counted, and what it sends.
class LargeFabric {
 public:
  struct Cost {
    std::chrono::nanoseconds leader{};
    std::size_t maps = 0;
    std::size_t bytes_of_newcomer = 0;
    std::size_t bytes_max = 0;  // to any other node
  };

  explicit LargeFabric(std::uint16_t nodes) : channels_(kNodesMax + 1u) {
    for (std::uint16_t node = 1; node <= nodes; ++node) join(node);
    lead([&] { table_.open(host_.now()); });
    settle();
  }

  /// Until every shard is where it should be.
  Cost measure(const std::function<void()>& change, std::uint16_t newcomer) {
    for (Channel& channel : channels_) channel.bytes = 0;
    const kernel::MapVersion before = table_.map().version;
    leader_ = {};
    is_measured_ = true;
    lead(change);
    settle();
    is_measured_ = false;
    Cost cost{.leader = leader_,
              .maps = table_.map().version.value - before.value,
              .bytes_of_newcomer = std::exchange(channels_[newcomer].bytes, 0)};
    for (const Channel& channel : channels_) cost.bytes_max = std::max(cost.bytes_max, channel.bytes);
    return cost;
  }

  Cost join_one(std::uint16_t node) {
    return measure([&] { join(node); }, node);
  }
  Cost lose(std::uint16_t node) {
    const auto change = [&] {
      table_.on_death(NodeId{node}, host_.now());
      table_.on_left(NodeId{node}, host_.now());
    };
    return measure(change, 0);
  }
  Cost leave(std::uint16_t node) {
    const auto change = [&] {
      leaving_ = NodeId{node};
      table_.drain(NodeId{node}, host_.now());
      table_.on_tick(host_.now());
    };
    return measure(change, 0);
  }

 private:
  struct Channel {
    std::vector<std::byte> unsent;
    std::size_t bytes = 0;
  };

  void join(std::uint16_t node) {
    table_.on_joined({NodeId{node}, Incarnation{std::uint64_t{node} << 40 | ++incarnation_},
                      fmt::format("/home/u/arena/.epic/run/node-{}.sock", node)},
                     Generation{1}, host_.now());
  }

  void send(NodeId node, const SharedMessage& message) {
    if (const auto* const release = std::get_if<protocol::Release>(&message.message()))
      for (const ShardId shard : release->shards)
        released_.emplace_back(node, protocol::Released{shard, release->map_version});
    if (!is_measured_) return;
    Channel& channel = channels_[node.value];
    channel.unsent.clear();
    const std::span<const std::byte> frame = message.frame();
    channel.unsent.insert(channel.unsent.end(), frame.begin(), frame.end());
    channel.bytes += channel.unsent.size();
  }

  /// Does the leader's part of something, with all that follows at once, and notes who is to take what.
  template <class Work>
  void lead(Work work) {
    const auto begun = computed();
    work();
    orders_.carry_out();
    while (host_.settle() || host_.run_timer(host_.now())) {
    }
    leader_ += computed() - begun;

    const kernel::ShardMap& map = table_.map();
    if (std::exchange(seen_, map.version) == map.version) return;
    std::map<NodeId, protocol::Taken> taken;
    granted_.resize(map.owners.size());
    for (std::uint32_t shard = 0; shard < map.owners.size(); ++shard) {
      if (map.owned_since[shard] <= granted_[shard] || map.owners[shard] == NodeId{0}) continue;
      if (std::ranges::binary_search(map.moving, ShardId{shard})) continue;
      granted_[shard] = map.owned_since[shard];
      taken[map.owners[shard]].shards.push_back({ShardId{shard}, Epoch{++epoch_}});
    }
    for (auto& [node, shards] : taken) taken_.emplace_back(node, std::move(shards));
  }

  void settle() {
    while (true) {
      if (!taken_.empty()) {
        const auto [node, taken] = std::move(taken_.front());
        taken_.pop_front();
        lead([&] { table_.on_taken(node, taken, host_.now()); });
      } else if (!released_.empty()) {
        const auto [node, released] = released_.front();
        released_.pop_front();
        lead([&] { table_.on_released(node, released, host_.now()); });
      } else if (leaving_ && table_.count_owned(*leaving_) == 0) {
        lead([&] { table_.on_left(*std::exchange(leaving_, std::nullopt), host_.now()); });
      } else if (!table_.is_level()) {
        while (host_.run_timer(host_.now() + kTick)) {
        }
        lead([&] { table_.on_tick(host_.now()); });
      } else {
        return;
      }
    }
  }

  test::FakeHost host_;
  ShardTable table_{kShards, std::chrono::seconds(3)};
  FabricTrail trail_;
  std::vector<Channel> channels_;  // by node
  ShardOrders orders_{
      host_, {}, {.term = kernel::Term{1}}, {}, table_, trail_, [this](NodeId node, const SharedMessage& message) {
        send(node, message);
      }};
  std::deque<std::pair<NodeId, protocol::Taken>> taken_;        // on their way to the leader
  std::deque<std::pair<NodeId, protocol::Released>> released_;  // …
  std::vector<kernel::MapVersion> granted_;                     // by shard
  kernel::MapVersion seen_;
  std::optional<NodeId> leaving_;
  std::uint64_t incarnation_ = 0;
  std::uint64_t epoch_ = 0;
  std::chrono::nanoseconds leader_{};
  bool is_measured_ = false;
};

void print(std::string_view what, const LargeFabric::Cost& cost) {
  const double ms = std::chrono::duration<double, std::milli>(cost.leader).count();
  fmt::print("{:<10}{:>12.1f} ms{:>8}{:>16}{:>16}\n", what, ms, cost.maps, cost.bytes_max, cost.bytes_of_newcomer);
}

}  // namespace

int main(int argument_count, char** arguments) {
  const auto nodes = static_cast<std::uint16_t>(argument_count > 1 ? std::atoi(arguments[1]) : 10'000);
  LargeFabric fabric(nodes);
  fmt::print("{} nodes, {} shards\n{:<10}{:>15}{:>8}{:>16}{:>16}\n", nodes, kShards, "", "leader", "maps",
             "bytes per node", "of a newcomer");
  const auto newcomer = static_cast<std::uint16_t>(nodes + 1);
  const auto middle = static_cast<std::uint16_t>(nodes / 2);
  print("join", fabric.join_one(newcomer));
  print("leave", fabric.leave(middle));
  print("failure", fabric.lose(static_cast<std::uint16_t>(middle + 1)));
  return 0;
}

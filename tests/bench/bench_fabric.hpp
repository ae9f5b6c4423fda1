#pragma once
// BenchFabric: a supervisor and real nodes with the module of bench/modules, in a directory of its own.

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "epic/client.hpp"
#include "support/temp_dir.hpp"

namespace epic::bench {

class BenchFabric {
 public:
  /// Returns when the nodes are ready. To be made before the process has threads. Throws std::runtime_error.
  explicit BenchFabric(std::uint16_t node_count);
  BenchFabric(const BenchFabric&) = delete;
  BenchFabric& operator=(const BenchFabric&) = delete;
  ~BenchFabric();

  [[nodiscard]] Client connect() const { return Client::connect(directory_.path().string()); }
  /// Of the live entities of a type: which node each is on.
  [[nodiscard]] std::map<std::string, std::string> list_nodes(std::string_view type) const;

  /// Of all nodes, since their start: transactions, and rows in them. Nodes tell it every 200 ms.
  struct Saved {
    std::uint64_t commits = 0;
    std::uint64_t rows = 0;
  };
  [[nodiscard]] Saved count_saved() const;
  /// How many shards there are, and the owner of each.
  [[nodiscard]] std::vector<std::string> list_owners() const;

  /// With SIGKILL; its supervisor starts it again.
  void kill_node(std::string_view name) const;
  /// Returns when its shards are with the others, and it has stopped.
  void drain_node(std::string_view name) const;
  /// Until all nodes are ready and own equally many shards.
  void wait_until_level() const;

 private:
  test::TempDir directory_;
};

}  // namespace epic::bench

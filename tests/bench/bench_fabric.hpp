#pragma once
// BenchFabric: a supervisor and real nodes with the module of bench/modules, or that of a template, in its own
// directory. They end with the process that made them, also if that is killed. It can be stopped and started again on
// the same store.

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "epic/client.hpp"
#include "storage/store_address.hpp"
#include "support/temp_dir.hpp"

namespace epic::bench {

class BenchFabric {
 public:
  /// Returns when the nodes are ready, and setup has. Construct it before the process has threads. `module`: one of
  /// CMakeLists.txt. `store`: as in epic.toml. Throws std::runtime_error.
  explicit BenchFabric(std::uint16_t node_count, std::string module = "bench_entities", std::string store = "sqlite");
  BenchFabric(const BenchFabric&) = delete;
  BenchFabric& operator=(const BenchFabric&) = delete;
  ~BenchFabric();

  /// As `epic stop` does. Returns when all processes have ended.
  void stop();
  /// Sends SIGKILL to the supervisor, with which its nodes die. Returns when all are dead.
  void kill();
  /// After stop() or kill(): as the constructor does.
  void start();

  [[nodiscard]] storage::StoreAddress store() const;
  /// The folder of its files (epic/files.hpp); the first that is written makes it.
  [[nodiscard]] std::filesystem::path files() const { return directory_.path() / "data"; }
  [[nodiscard]] Client connect() const { return Client::connect(directory_.path().string()); }
  /// The node of each live entity of a type.
  [[nodiscard]] std::map<std::string, std::string> list_nodes(std::string_view type) const;

  /// Transactions and rows of all nodes since their start.
  struct Saved {
    std::uint64_t commits = 0;
    std::uint64_t rows = 0;
  };
  /// Waits until the nodes have reported what they have done so far.
  [[nodiscard]] Saved count_saved() const;
  /// Resident memory of all nodes. Waits likewise.
  [[nodiscard]] std::uint64_t count_resident_bytes() const;
  /// What the nodes that run now have had written to disk.
  [[nodiscard]] std::uint64_t count_written_bytes() const;
  /// The number of shards, and the owner of each.
  [[nodiscard]] std::vector<std::string> list_owners() const;

  /// As epic::read_file(name) finds it.
  void put_file(std::string_view name, std::string_view content) const;

  /// Sends SIGKILL, unless it is being restarted; the supervisor restarts the node.
  void kill_node(std::string_view name) const;
  /// Returns when the node's shards have moved to the others and it has stopped.
  void drain_node(std::string_view name) const;
  /// Returns when there are as many nodes, all ready.
  void scale(std::uint16_t node_count) const;
  /// Returns when all nodes have been replaced, one after the other.
  void restart_rolling() const;
  /// Waits until all nodes are ready and own the same number of shards.
  void wait_until_level() const;

 private:
  test::TempDir directory_;
  std::uint16_t node_count_;
  std::string module_;
  std::string store_;
  pid_t supervisor_ = -1;
};

}  // namespace epic::bench

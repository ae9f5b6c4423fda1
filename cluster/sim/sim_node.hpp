#pragma once
// SimNode: a node's process in a simulated world. The node itself is the production code (node/node_core.hpp); this
// gives it the world's clock, network and disk, a channel of encoded frames to its supervisor, and a death.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/sim/disk.hpp"
#include "cluster/sim/network.hpp"
#include "cluster/sim/sim_blocking.hpp"
#include "cluster/sim/world.hpp"
#include "cluster/supervisor/node_exit.hpp"
#include "codec/capnp_codec.hpp"
#include "codec/message_frames.hpp"
#include "node/node_core.hpp"
#include "protocol/frame_buffer.hpp"

namespace epic::cluster::sim {

/// What the nodes of a fabric share.
struct NodeSurroundings {
  World& world;
  Network& network;
  Disk& disk;
  /// By the path that the supervisor names. Null: cannot be loaded.
  std::function<const ModuleInfo*(const std::string& path)> find_module;
  /// As nodes and their entities log, before the supervisor reads it. May be empty.
  std::function<void(kernel::LogLevel, std::string_view entity, std::string_view message)> on_log = {};
  nanoseconds blocking_delay_max = std::chrono::milliseconds(4);  // before and after a function of epic::blocking
  nanoseconds start_delay_max = std::chrono::milliseconds(80);    // from the spawn to Ready
};

class SimNode final : public Process {
 public:
  /// Both are called outside of the node's events, in the order in which things were said.
  struct Events {
    std::function<void(std::vector<std::byte> bytes)> on_said;  // frames, for the supervisor
    std::function<void(kernel::LogLevel, std::string_view entity, std::string_view message)> on_log;
    std::function<void(ProcessEnd)> on_end;  // it wants to end: destroy it
  };

  SimNode(const NodeSurroundings& surroundings, std::int64_t drift_ppm, Events events);
  ~SimNode() override;

  /// Frames of the supervisor have arrived.
  void hear(std::vector<std::byte> bytes);
  /// Null before it is configured.
  [[nodiscard]] node::NodeCore* core() { return core_.get(); }

 protected:
  void wake() override;
  [[nodiscard]] std::int64_t sleep() override;

 private:
  enum class Phase : std::uint8_t { waiting, running, parting, ended };

  void start(const protocol::Configure& configure);
  void obey(protocol::ToNode message);
  void say(const protocol::FromNode& message);
  void log(kernel::LogLevel level, std::string_view entity, std::string_view message);
  void beat(nanoseconds interval);
  void tick();
  void part();
  void work_on_storage();
  void end(int exit_code);

  NodeSurroundings surroundings_;
  Events events_;
  Phase phase_ = Phase::waiting;
  protocol::FrameBuffer incoming_{protocol::kSupervisionFrameBytesMax};
  codec::FrameReader<protocol::ToNode> reader_;
  codec::FrameWriter<protocol::FromNode> writer_;
  std::vector<protocol::ToNode> early_;  // what arrives while it starts
  bool is_configured_ = false;
  codec::CapnpCodec codec_;
  std::atomic<std::uint64_t> turns_{0};
  io::TurnCounter turn_counter_{turns_};
  std::unique_ptr<io::StorageWork> storage_;
  std::unique_ptr<SimBlocking> blocking_;
  std::unique_ptr<node::NodeCore> core_;
  bool is_writing_ = false;  // one of the storage's threads is at work
  int syncing_count_ = 0;    // … or waits for the disk
  bool is_drained_ = false;
  std::int64_t part_until_ns_ = 0;
};

}  // namespace epic::cluster::sim

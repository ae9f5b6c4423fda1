#pragma once
// Supervision: what a supervisor and a node say to each other.
//
// They share a socket pair; the node finds its end as descriptor kSupervisionFd. The supervisor speaks first:
//
//   Configure ─▶ …loads the module, opens the store, listens… ◀─ Ready (or StartFailed, and the node exits)
//   Lease     ─▶ …may run and answer until then…
//   MapChange ─▶ …takes in the store the shards that became its own…  ◀─ Taken
//   Release   ─▶ …drains and saves the shards, gives them up…         ◀─ Released, one a shard; then a MapChange
//   RunSetup  ─▶ …runs the module's setup…                            ◀─ SetupDone
//   Request   ─▶ …                                                    ◀─ Answer, once or (streamed) until `last`
//   GoOn      ─▶ …goes on with a streamed Answer that asked for room…
//   Stop      ─▶ …drains and saves, and goes on answering nodes…      ◀─ Drained
//   Leave     ─▶ …exits 0
//
// Heartbeats flow from Configure on, every FabricOptions::heartbeat, from a thread that user code cannot hold up. A
// node that stays silent is killed. When the channel closes, the supervisor is gone and the node must go too.
//
// Not here: frames (frame_buffer.hpp), what nodes say to each other (peers.hpp).

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "epic/values/table.hpp"
#include "kernel/ids.hpp"
#include "kernel/limits.hpp"
#include "kernel/messages.hpp"
#include "protocol/control_frames.hpp"
#include "protocol/machine_place.hpp"
#include "protocol/map_change.hpp"
#include "protocol/node_counters.hpp"
#include "protocol/spoken.hpp"

namespace epic::protocol {

/// Where a node finds its end of the channel.
inline constexpr int kSupervisionFd = 3;
/// … and where it writes its log. What entities print goes elsewhere, so that it cannot pass for a line of the log.
inline constexpr int kLogFd = 4;
/// The largest message of the channel: a control request of the largest size, with its envelope.
inline constexpr std::size_t kSupervisionFrameBytesMax = 65u << 20;
/// The largest body of an Answer; with its envelope it also fits into a frame of the control socket. A state of 8 MiB
/// can be larger as JSON: such an answer is refused, with its size.
inline constexpr std::size_t kAnswerBytesMax = 60u << 20;

/// What `epic.toml` says about running, the same for all nodes.
struct FabricOptions {
  std::chrono::nanoseconds heartbeat = std::chrono::milliseconds(200);
  std::chrono::nanoseconds idle_age = kernel::limits::kIdleAge;  // idle activations are deactivated after this
  /// For calls without their own deadline. It is a timeout; recorded frames have it under this name.
  std::chrono::nanoseconds call_deadline = kernel::limits::kCallTimeout;
  std::chrono::nanoseconds turn_report = std::chrono::seconds(1);  // a longer turn is reported
  std::uint64_t memory_budget_bytes = 0;                           // for activations; 0: no limit
  std::string log_level = "info";                                  // debug, info, warn, error
  std::chrono::nanoseconds grace = kernel::limits::kGrace;  // for running calls, when a node stops or shards move
  std::uint32_t blocking_threads = kernel::limits::kBlockingThreads;  // of a node, for epic::blocking
  std::uint32_t blocking_queue = kernel::limits::kBlockingQueueMax;   // functions that wait for one of them
  std::string files_folder = "data";                                  // relative to the project's directory
  bool operator==(const FabricOptions&) const = default;
};
BOOST_DESCRIBE_STRUCT(FabricOptions, (),
                      (heartbeat, idle_age, call_deadline, turn_report, memory_budget_bytes, log_level, grace,
                       blocking_threads, blocking_queue, files_folder))

// ---- supervisor to node

/// Which copy of the module a node loads: the supervisors of several machines each have their own of the same one.
struct ModuleOrigin {
  std::uint32_t generation = 0;
  std::chrono::system_clock::time_point built_at = {};
  std::string digest = {};  // SHA-256 of its bytes, in hexadecimal: the same one has the same
  bool operator==(const ModuleOrigin&) const = default;
};
BOOST_DESCRIBE_STRUCT(ModuleOrigin, (), (generation, built_at, digest))

/// The first message.
struct Configure {
  kernel::NodeId node;
  kernel::Incarnation incarnation;
  std::string fabric_id;          // identifies this run of the fabric; peers and clients compare it
  std::string project_directory;  // absolute; also the node's working directory
  std::string module_path;        // absolute
  std::string store_kind;         // "sqlite", "memory"
  std::string store_path;         // absolute; empty for a store without a file
  std::uint32_t shard_count = 0;
  std::string socket_path;   // where to listen for peers and clients
  std::string crash_memory;  // path of the memory that a CrashReport goes to
  FabricOptions options = {};
  ModuleOrigin module_origin = {};
  bool has_lease = false;   // its machine has one: it runs no turn before the first Lease
  MachinePlace place = {};  // its machine fills it in
  bool operator==(const Configure&) const = default;
};
BOOST_DESCRIBE_STRUCT(Configure, (),
                      (node, incarnation, fabric_id, project_directory, module_path, store_kind, store_path,
                       shard_count, socket_path, crash_memory, options, module_origin, has_lease, place))

/// The machine's lease is valid until then, on its boot clock (CLOCK_BOOTTIME); sent with each renewal. Beyond that
/// the node runs no turn, and sends nothing to nodes and clients, until the next one comes.
struct Lease {
  std::chrono::nanoseconds valid_until{0};
  bool operator==(const Lease&) const = default;
};
BOOST_DESCRIBE_STRUCT(Lease, (), (valid_until))

/// A planned move away from this node, under the map that it has. Until it has answered, maps name no owner for the
/// shard; one that names this node afterwards means that it is to take the shard again.
struct Release {
  std::vector<kernel::ShardId> shards = {};
  kernel::MapVersion map_version;
  std::chrono::nanoseconds announced_ago{0};  // when the grace of what runs there began
  bool operator==(const Release&) const = default;
};
BOOST_DESCRIBE_STRUCT(Release, (), (shards, map_version, announced_ago))

/// All shards of the node will be asked back: its entities are stopping.
struct AnnounceStop {
  bool operator==(const AnnounceStop&) const = default;
};
BOOST_DESCRIBE_STRUCT(AnnounceStop, (), ())

struct RunSetup {
  bool operator==(const RunSetup&) const = default;
};
BOOST_DESCRIBE_STRUCT(RunSetup, (), ())

/// A control request that only a node can answer; the verbs are in protocol/control.hpp.
struct Request {
  std::uint64_t id = 0;
  std::string verb;
  std::string body;  // JSON
  bool operator==(const Request&) const = default;
};
BOOST_DESCRIBE_STRUCT(Request, (), (id, verb, body))

/// To a streamed Answer that `wants_room`: the client has read everything so far, or has gone.
struct GoOn {
  std::uint64_t id = 0;  // of the Request
  bool is_wanted = true;
  bool operator==(const GoOn&) const = default;
};
BOOST_DESCRIBE_STRUCT(GoOn, (), (id, is_wanted))

/// Drain, save, wait for Leave and exit 0, all within `grace`.
struct Stop {
  std::chrono::nanoseconds grace{0};
  bool operator==(const Stop&) const = default;
};
BOOST_DESCRIBE_STRUCT(Stop, (), (grace))

/// Entities that have killed their nodes again and again: calls to them are refused. All of them; the newest list
/// counts.
struct Quarantined {
  struct Entity {
    std::string entity;  // "Type/Key" as in the store
    std::uint32_t deaths = 0;
    std::chrono::nanoseconds left{0};  // until the next attempt
    bool operator==(const Entity&) const = default;
  };
  std::vector<Entity> entities;
  bool operator==(const Quarantined&) const = default;
};
BOOST_DESCRIBE_STRUCT(Quarantined::Entity, (), (entity, deaths, left))
BOOST_DESCRIBE_STRUCT(Quarantined, (), (entities))

/// After Stop: the node is no longer needed.
struct Leave {
  bool operator==(const Leave&) const = default;
};
BOOST_DESCRIBE_STRUCT(Leave, (), ())

/// A shard map: who owns what from now on; its members are the ready nodes. A node that is the new owner of a shard
/// takes it in the store; one that no longer is refuses calls. Versions older than the newest are ignored.
using kernel::ShardMap;

/// Supervisors send it as a MapChange.
using ToNode = std::variant<Configure, ShardMap, Release, RunSetup, Request, GoOn, Stop, Leave, Quarantined,
                            AnnounceStop, MapChange, Lease>;

// ---- node to supervisor

/// A name of an entity class that is not the one that places and stores its entities.
struct RenamedType {
  std::string name;
  std::string stored_name;
  bool operator==(const RenamedType&) const = default;
};
BOOST_DESCRIBE_STRUCT(RenamedType, (), (name, stored_name))

/// The module is loaded, the store is open, the socket listens.
struct Ready {
  std::int32_t pid = 0;
  std::string version;  // of epic
  std::string abi_tag;
  std::vector<RenamedType> renamed_types = {};
  kernel::PlacementGroups groups = {};  // of its store
  std::string host = {};                // where processes of other machines reach it; empty: nowhere
  std::uint16_t port = 0;
  Spoken speaks = {};
  bool operator==(const Ready&) const = default;
};
BOOST_DESCRIBE_STRUCT(Ready, (), (pid, version, abi_tag, renamed_types, groups, host, port, speaks))

/// The node cannot start and exits; restarting it would not help (a module of another version, a store with another
/// shard count …). If restarting may help, the node simply exits. With `ends_fabric` no node can go on (the store is
/// damaged): then also from a node that runs.
struct StartFailed {
  std::string message;  // what and why
  std::string hint;     // how to fix it; may be empty
  bool ends_fabric = false;
  bool operator==(const StartFailed&) const = default;
};
BOOST_DESCRIBE_STRUCT(StartFailed, (), (message, hint, ends_fabric))

struct Heartbeat {
  protocol::control::NodeCounters counters;
  std::chrono::nanoseconds turn_in_progress{0};  // 0 between turns
  std::string store_blocked;                     // why the store cannot write; empty: it can
  std::chrono::nanoseconds store_blocked_for{0};
  bool operator==(const Heartbeat&) const = default;
};
BOOST_DESCRIBE_STRUCT(Heartbeat, (), (counters, turn_in_progress, store_blocked, store_blocked_for))

/// Nothing of the shard is left on this node, and all of it is saved.
struct Released {
  kernel::ShardId shard;
  kernel::MapVersion map_version;  // of the Release
  bool operator==(const Released&) const = default;
};
BOOST_DESCRIBE_STRUCT(Released, (), (shard, map_version))

struct TakenShard {
  kernel::ShardId shard;
  kernel::Epoch epoch;
  bool operator==(const TakenShard&) const = default;
};
BOOST_DESCRIBE_STRUCT(TakenShard, (), (shard, epoch))

/// The shards granted by a map are this node's in the store.
struct Taken {
  std::vector<TakenShard> shards = {};
  kernel::MapVersion map_version;
  bool operator==(const Taken&) const = default;
};
BOOST_DESCRIBE_STRUCT(Taken, (), (shards, map_version))

struct SetupDone {
  std::string error;  // empty: it returned
  bool operator==(const SetupDone&) const = default;
};
BOOST_DESCRIBE_STRUCT(SetupDone, (), (error))

/// As a ControlAnswer. With `wants_room` the node sends no further part before a GoOn.
struct Answer {
  std::uint64_t id = 0;
  AnswerStatus status = AnswerStatus::ok;
  std::string body;  // JSON
  bool last = true;
  bool wants_room = false;
  bool operator==(const Answer&) const = default;
};
BOOST_DESCRIBE_STRUCT(Answer, (), (id, status, body, last, wants_room))

/// After Stop: whether nothing runs here, and everything is saved. Calls from other nodes may change that.
struct Drained {
  bool is_drained = true;
  bool operator==(const Drained&) const = default;
};
BOOST_DESCRIBE_STRUCT(Drained, (), (is_drained))

/// A MapChange has come that does not apply to the node's map: it needs a whole one.
struct MapWanted {
  kernel::MapVersion held;
  bool operator==(const MapWanted&) const = default;
};
BOOST_DESCRIBE_STRUCT(MapWanted, (), (held))

using FromNode = std::variant<Ready, StartFailed, Heartbeat, Released, Taken, SetupDone, Answer, Drained, MapWanted>;

}  // namespace epic::protocol

// Their tables are made in one place (families.cpp), not in each file that sends or reads them.
extern template const epic::reflect::TypeInfo& epic::reflect::type_of<epic::protocol::ToNode>();
extern template const epic::reflect::TypeInfo& epic::reflect::type_of<epic::protocol::FromNode>();

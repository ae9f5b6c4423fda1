#pragma once
// Machines: what the supervisor that leads a fabric and the supervisors of its machines say to each other.
//
// A machine's supervisor runs processes for the leader, and passes on what they and the leader say to each other:
//
//   machine                                            leader
//   Hello, with the nodes that run  ─▶
//                                   ◀─ Welcome, or Dismiss
//                                   ◀─ SpawnNode, ToldNode, SignalNode, DropNode …
//   SpawnedNode, NodeSaid, NodeWrote, NodeEnded …  ─▶
//   MachineAsked, MachineGaveUp     ─▶ …a control request…  ◀─ MachineAnswered
//   MachineLeaves                   ─▶ …drains its nodes…   ◀─ Dismiss
//   Unreached                       ─▶ …while it cannot reach another machine…
//
// A link may break while both sides live, so each keeps what it has sent until the other has confirmed it by Counted,
// and sends the rest again on the next link: Hello and Welcome say how many messages have come. Those two, Counted and
// Unreached are not counted themselves.
//
// Not here: what nodes and their supervisor say to each other (supervision.hpp), who leads
// (cluster/supervisor/membership.hpp).

#include <boost/describe/class.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "epic/values/table.hpp"
#include "kernel/ids.hpp"
#include "protocol/control_frames.hpp"
#include "protocol/node_counters.hpp"
#include "protocol/spoken.hpp"
#include "protocol/supervision.hpp"

namespace epic::protocol {

/// The largest message: one of a node, with an envelope.
inline constexpr std::size_t kMachineFrameBytesMax = kSupervisionFrameBytesMax + (1u << 20);
/// Of a module, in one message.
inline constexpr std::size_t kModulePartBytes = 1u << 20;

/// A process on a machine; a random number that the leader has drawn.
using ProcessId = kernel::StrongId<struct ProcessIdTag, std::uint64_t>;

/// How many messages of the other side have come since the leader began to lead.
struct Counted {
  std::uint64_t messages = 0;
  bool operator==(const Counted&) const = default;
};
BOOST_DESCRIBE_STRUCT(Counted, (), (messages))

// ---- a machine to the leader

/// A node that has been ready on this machine, for a leader that does not know it.
struct LiveNode {
  struct Asked {
    kernel::ShardId shard;
    kernel::MapVersion map_version;  // of the Release
    bool operator==(const Asked&) const = default;
  };
  ProcessId process;
  std::int32_t pid = 0;
  kernel::NodeId node = {};
  kernel::Incarnation incarnation = {};
  ModuleOrigin module = {};
  std::chrono::nanoseconds age{0};  // since it was spawned
  Ready ready = {};
  std::vector<TakenShard> taken = {};  // what it owns
  std::vector<Asked> asked = {};       // of that, what it is to give back
  bool operator==(const LiveNode&) const = default;
};
BOOST_DESCRIBE_STRUCT(LiveNode::Asked, (), (shard, map_version))
BOOST_DESCRIBE_STRUCT(LiveNode, (), (process, pid, node, incarnation, module, age, ready, taken, asked))

/// What the next leader has to know beyond nodes and shards. The leader tells it to every machine, which keeps the
/// newest. Times are counted from when they were made, the past backwards.
struct FabricNotes {
  /// An entity that has killed nodes (cluster/supervisor/quarantine.hpp).
  struct Suspect {
    std::string entity;
    std::string method;
    std::uint32_t deaths = 0;
    std::vector<std::chrono::nanoseconds> recent = {};
    std::chrono::nanoseconds blocked{0};
    std::chrono::nanoseconds last{0};
    std::chrono::nanoseconds left{0};  // until it may try again; negative if that is over
    std::chrono::nanoseconds wait{0};
    bool operator==(const Suspect&) const = default;
  };
  /// A node that was drained, or is being.
  struct Drained {
    kernel::NodeId node;
    std::string machine;
    bool operator==(const Drained&) const = default;
  };
  /// Of nodes, and of entities in quarantine; not the moves of shards.
  struct Event {
    std::int64_t wall_ns = 0;
    std::string node;
    std::string what;
    std::string why = {};
    std::string entity = {};
    std::optional<std::int64_t> took_us = {};
    bool operator==(const Event&) const = default;
  };
  std::uint64_t number = 0;         // the larger, the newer
  std::chrono::nanoseconds age{0};  // when they are passed on
  std::uint32_t setup = 0;          // how far the module's setup has come: SetupState
  std::uint32_t generation = 0;     // of the module: what nodes load that are started
  std::string module = {};          // its digest
  std::uint32_t restart = 0;        // to this generation, under way; 0: none
  std::vector<Suspect> suspects = {};
  std::vector<Drained> drained = {};
  std::vector<Event> events = {};
  bool operator==(const FabricNotes&) const = default;
};
BOOST_DESCRIBE_STRUCT(FabricNotes::Suspect, (), (entity, method, deaths, recent, blocked, last, left, wait))
BOOST_DESCRIBE_STRUCT(FabricNotes::Drained, (), (node, machine))
BOOST_DESCRIBE_STRUCT(FabricNotes::Event, (), (wall_ns, node, what, why, entity, took_us))
BOOST_DESCRIBE_STRUCT(FabricNotes, (), (number, age, setup, generation, module, restart, suspects, drained, events))

/// The first message on each link.
struct Hello {
  std::string machine;        // as in coordination
  std::string leader;         // whom it means
  std::string version;        // of epic
  std::string store;          // where it finds the fabric's state
  std::string run_directory;  // where its nodes' sockets are; absolute
  std::uint32_t pid = 0;
  std::uint32_t nodes = 0;     // how many it is to have
  std::uint64_t received = 0;  // messages of this leader
  std::string fabric_id = {};  // that it knows; empty: none yet
  FabricNotes notes = {};      // the newest that it has
  std::vector<LiveNode> live = {};
  Spoken speaks = {};
  bool operator==(const Hello&) const = default;
};
BOOST_DESCRIBE_STRUCT(Hello, (),
                      (machine, leader, version, store, run_directory, pid, nodes, received, fabric_id, notes, live,
                       speaks))

struct SpawnedNode {
  ProcessId process;
  std::int32_t pid = 0;
  bool operator==(const SpawnedNode&) const = default;
};
BOOST_DESCRIBE_STRUCT(SpawnedNode, (), (process, pid))

/// Nothing follows about this process.
struct UnspawnedNode {
  ProcessId process;
  std::string message;
  std::string hint;
  bool operator==(const UnspawnedNode&) const = default;
};
BOOST_DESCRIBE_STRUCT(UnspawnedNode, (), (process, message, hint))

struct NodeSaid {
  ProcessId process;
  FromNode message;
  bool operator==(const NodeSaid&) const = default;
};
BOOST_DESCRIBE_STRUCT(NodeSaid, (), (process, message))

/// A line, without its break: of its log, or of what its code prints.
struct NodeWrote {
  ProcessId process;
  std::string text;
  bool is_output = false;
  bool operator==(const NodeWrote&) const = default;
};
BOOST_DESCRIBE_STRUCT(NodeWrote, (), (process, text, is_output))

/// What it says is malformed; none follows.
struct NodeGarbled {
  ProcessId process;
  std::string what;
  bool operator==(const NodeGarbled&) const = default;
};
BOOST_DESCRIBE_STRUCT(NodeGarbled, (), (process, what))

struct NodeCutOff {
  ProcessId process;
  bool operator==(const NodeCutOff&) const = default;
};
BOOST_DESCRIBE_STRUCT(NodeCutOff, (), (process))

/// What a process was running when it ended (cluster/supervisor/node_exit.hpp).
struct NodeCrash {
  std::string entity;
  std::string method;
  std::vector<std::string> frames = {};
  std::uint8_t source = 0;
  bool operator==(const NodeCrash&) const = default;
};
BOOST_DESCRIBE_STRUCT(NodeCrash, (), (entity, method, frames, source))

/// The last message about a process.
struct NodeEnded {
  ProcessId process;
  std::int32_t exit_code = 0;
  std::int32_t signal = 0;
  std::optional<NodeCrash> crash = {};
  std::uint64_t lost_lines = 0;
  bool operator==(const NodeEnded&) const = default;
};
BOOST_DESCRIBE_STRUCT(NodeEnded, (), (process, exit_code, signal, crash, lost_lines))

/// A control request that came to the machine's socket.
struct MachineAsked {
  ControlRequest request;
  bool operator==(const MachineAsked&) const = default;
};
BOOST_DESCRIBE_STRUCT(MachineAsked, (), (request))

/// Nobody waits for the answer to that MachineAsked any longer.
struct MachineGaveUp {
  std::uint64_t request;  // its id
  bool operator==(const MachineGaveUp&) const = default;
};
BOOST_DESCRIBE_STRUCT(MachineGaveUp, (), (request))

/// It is to stop: its nodes give their shards to others, and end. Dismiss follows.
struct MachineLeaves {
  bool operator==(const MachineLeaves&) const = default;
};
BOOST_DESCRIBE_STRUCT(MachineLeaves, (), ())

/// The machines that it cannot reach at the moment; said again and again, and once when there are none any more.
struct Unreached {
  struct Machine {
    std::string machine;
    std::chrono::nanoseconds silence{0};  // since it has last answered
    bool operator==(const Machine&) const = default;
  };
  std::vector<Machine> machines;
  bool operator==(const Unreached&) const = default;
};
BOOST_DESCRIBE_STRUCT(Unreached::Machine, (), (machine, silence))
BOOST_DESCRIBE_STRUCT(Unreached, (), (machines))

// ---- a guest to any supervisor: instead of Hello, on a link of its own; each is answered

/// From another machine, which wants to know whether it can reach this one, and how that one fares: Reached.
struct ReachWanted {
  bool operator==(const ReachWanted&) const = default;
};
BOOST_DESCRIBE_STRUCT(ReachWanted, (), ())

/// From a machine that is to join: Settings.
struct SettingsWanted {
  bool operator==(const SettingsWanted&) const = default;
};
BOOST_DESCRIBE_STRUCT(SettingsWanted, (), ())

/// The bytes of a module from `offset` on: ModulePart.
struct ModuleWanted {
  std::string digest;
  std::uint64_t offset = 0;
  bool operator==(const ModuleWanted&) const = default;
};
BOOST_DESCRIBE_STRUCT(ModuleWanted, (), (digest, offset))

/// From a program outside of the fabric, such as `epic --connect`: GuestWelcome. Then it asks as often as it likes,
/// with MachineAsked, and is answered as a machine is.
struct GuestHello {
  std::string version;  // of epic
  Spoken speaks = {};
  bool operator==(const GuestHello&) const = default;
};
BOOST_DESCRIBE_STRUCT(GuestHello, (), (version, speaks))

using FromMachine = std::variant<Hello, Counted, SpawnedNode, UnspawnedNode, NodeSaid, NodeWrote, NodeGarbled,
                                 NodeCutOff, NodeEnded, MachineAsked, MachineGaveUp, MachineLeaves, SettingsWanted,
                                 ModuleWanted, Unreached, ReachWanted, GuestHello>;

// ---- the leader to a machine

struct Welcome {
  std::string fabric_id;
  std::uint64_t received = 0;  // messages of this machine
  Spoken speaks = {};
  bool operator==(const Welcome&) const = default;
};
BOOST_DESCRIBE_STRUCT(Welcome, (), (fabric_id, received, speaks))

/// Starts epic-node, with these arguments.
struct SpawnNode {
  ProcessId process;
  std::vector<std::string> arguments;
  bool operator==(const SpawnNode&) const = default;
};
BOOST_DESCRIBE_STRUCT(SpawnNode, (), (process, arguments))

struct ToldNode {
  ProcessId process;
  ToNode message;
  bool operator==(const ToldNode&) const = default;
};
BOOST_DESCRIBE_STRUCT(ToldNode, (), (process, message))

struct SignalNode {
  ProcessId process;
  std::int32_t number = 0;
  bool operator==(const SignalNode&) const = default;
};
BOOST_DESCRIBE_STRUCT(SignalNode, (), (process, number))

/// It is killed, and nothing more is said about it.
struct DropNode {
  ProcessId process;
  bool operator==(const DropNode&) const = default;
};
BOOST_DESCRIBE_STRUCT(DropNode, (), (process))

struct MachineAnswered {
  ControlAnswer answer;
  bool operator==(const MachineAnswered&) const = default;
};
BOOST_DESCRIBE_STRUCT(MachineAnswered, (), (answer))

/// The machine belongs to the fabric no more, and its supervisor ends.
struct Dismiss {
  std::string why;  // as in "Stopping: the fabric has stopped."; with `hint`, it is an error
  std::string hint = {};
  bool is_error = false;
  bool operator==(const Dismiss&) const = default;
};
BOOST_DESCRIBE_STRUCT(Dismiss, (), (why, hint, is_error))

// ---- a supervisor to a guest

/// All that a machine has to know to join, beside the secret.
struct Settings {
  std::string version;       // of epic
  std::string architecture;  // "x86_64": the module's, too
  std::string manifest;      // the text of epic.toml; passwords are not in it
  std::string module;        // the digest of the newest copy; empty: there is none yet
  Spoken speaks = {};
  bool operator==(const Settings&) const = default;
};
BOOST_DESCRIBE_STRUCT(Settings, (), (version, architecture, manifest, module, speaks))

/// Without bytes: it is not here.
struct ModulePart {
  std::string digest;
  std::uint64_t size = 0;  // of the whole module
  std::uint64_t offset = 0;
  std::vector<std::byte> bytes = {};  // at most kModulePartBytes
  bool operator==(const ModulePart&) const = default;
};
BOOST_DESCRIBE_STRUCT(ModulePart, (), (digest, size, offset, bytes))

struct Reached {
  control::Refused refused = {};  // by that supervisor's port
  bool operator==(const Reached&) const = default;
};
BOOST_DESCRIBE_STRUCT(Reached, (), (refused))

/// What the program may ask follows.
struct GuestWelcome {
  std::string version;  // of epic
  Spoken speaks = {};
  std::string manifest = {};  // as in Settings
  std::string refusal = {};   // a sentence; empty: it is welcome
  bool operator==(const GuestWelcome&) const = default;
};
BOOST_DESCRIBE_STRUCT(GuestWelcome, (), (version, speaks, manifest, refusal))

using ToMachine = std::variant<Welcome, Counted, FabricNotes, SpawnNode, ToldNode, SignalNode, DropNode,
                               MachineAnswered, Dismiss, Settings, ModulePart, Reached, GuestWelcome>;

}  // namespace epic::protocol

// Their tables are made in one place (families.cpp), not in each file that sends or reads them.
extern template const epic::reflect::TypeInfo& epic::reflect::type_of<epic::protocol::ToMachine>();
extern template const epic::reflect::TypeInfo& epic::reflect::type_of<epic::protocol::FromMachine>();

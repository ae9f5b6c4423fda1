#pragma once
// Control verbs that the supervisor answers itself: the fabric, its nodes, their logs.
//
// Each verb is a struct: its request, its answer, and how it is answered (control.hpp). An empty optional field is null
// in JSON; fields of a request may be left out.

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/control_verb.hpp"
#include "protocol/node_counters.hpp"
#include "protocol/spoken.hpp"

namespace epic::protocol::control {

struct Ping {
  static constexpr VerbInfo kVerb{.name = "ping"};
  using Request = Nothing;
  struct Answer {
    std::string version;  // of epic
    std::int32_t pid = 0;
    std::string project;
    std::string directory;
    std::string module;
    std::string module_copy;  // what nodes started now will load
    std::uint64_t generation = 0;
    std::string fabric;  // identifies this run; peers and clients compare it
    std::uint32_t nodes = 0;
    std::uint32_t shards = 0;
    std::string logs;
    std::string started_at;
    Spoken speaks = {};
  };
};
BOOST_DESCRIBE_STRUCT(Ping::Answer, (),
                      (version, pid, project, directory, module, module_copy, generation, fabric, nodes, shards, logs,
                       started_at, speaks))

/// A lease that its machine cannot renew at the moment. When it is over the machine's nodes answer nothing, and
/// another machine may lead without this one hearing of it.
struct UnrenewedLease {
  std::string machine;
  std::string why;
  bool is_over = false;
};
BOOST_DESCRIBE_STRUCT(UnrenewedLease, (), (machine, why, is_over))

struct Ps {
  static constexpr VerbInfo kVerb{.name = "ps"};
  using Request = Nothing;
  struct Slot {
    std::string node;
    std::optional<std::int32_t> pid = {};  // of its process, if it has one
    std::string state;                     // stopped, starting, ready, silent, paused, draining, backoff
    std::uint64_t shards = 0;
  };
  struct Node : Slot, NodeCounters {
    std::uint64_t restarts = 0;
    std::int64_t uptime_ms = 0;
    std::uint64_t generation = 0;  // of the module that it runs, or ran
    std::string built_at;
    std::optional<std::string> last_exit = {};  // "was killed by signal 9 (SIGKILL)"
    std::optional<std::string> store = {};      // ok, or blocked: it cannot save, and refuses new work
    std::optional<std::string> store_reason = {};
    std::optional<std::int64_t> store_blocked_ms = {};
    std::optional<std::string> machine = {};  // of a fabric that may have several
    std::optional<std::string> address = {};  // where other machines reach it: "10.0.0.3:7000"
  };
  struct Supervisor {
    std::int32_t pid = 0;
    std::int64_t uptime_ms = 0;
  };
  /// An entity that has killed its nodes again and again; calls to it are refused.
  struct Quarantined {
    std::string entity;
    std::string method;  // that was running last
    std::uint32_t deaths = 0;
    std::int64_t next_attempt_s = 0;  // from now
  };
  /// A machine that cannot reach all others, and waits until it can.
  struct Evicted {
    std::string machine;
    std::string why;  // "cannot reach oak-3f2a91c7"
  };
  /// A machine of a fabric that may have several, and what its supervisor's port has refused.
  struct Machine {
    std::string machine;
    Refused refused = {};
  };
  struct Answer {
    std::vector<Node> nodes = {};  // nodes removed by scale are left out
    Supervisor supervisor = {};
    std::string setup;  // none, running, done, failed
    std::vector<Quarantined> quarantined = {};
    std::vector<Evicted> evicted = {};
    std::vector<Machine> machines = {};
    std::optional<UnrenewedLease> unrenewed_lease = {};  // of the machine that leads, and so answers
  };
};
BOOST_DESCRIBE_STRUCT(Ps::Slot, (), (node, pid, state, shards))
BOOST_DESCRIBE_STRUCT(Ps::Node, (Ps::Slot, NodeCounters),
                      (restarts, uptime_ms, generation, built_at, last_exit, store, store_reason, store_blocked_ms,
                       machine, address))
BOOST_DESCRIBE_STRUCT(Ps::Supervisor, (), (pid, uptime_ms))
BOOST_DESCRIBE_STRUCT(Ps::Quarantined, (), (entity, method, deaths, next_attempt_s))
BOOST_DESCRIBE_STRUCT(Ps::Evicted, (), (machine, why))
BOOST_DESCRIBE_STRUCT(Ps::Machine, (), (machine, refused))
BOOST_DESCRIBE_STRUCT(Ps::Answer, (), (nodes, supervisor, setup, quarantined, evicted, machines, unrenewed_lease))

/// The ready nodes and the owner of each shard.
struct Nodes {
  static constexpr VerbInfo kVerb{.name = "nodes"};
  using Request = Nothing;
  struct Node {
    std::string node;
    std::string socket;
    std::int32_t pid = 0;
    std::uint64_t incarnation = 0;
  };
  struct Map {
    std::uint64_t version = 0;
    std::vector<std::uint16_t> owners = {};  // by shard; 0: none at the moment
  };
  struct Answer {
    std::string fabric;  // what Hello must name
    std::uint32_t shards = 0;
    std::vector<Node> nodes = {};
    Map map = {};
  };
};
BOOST_DESCRIBE_STRUCT(Nodes::Node, (), (node, socket, pid, incarnation))
BOOST_DESCRIBE_STRUCT(Nodes::Map, (), (version, owners))
BOOST_DESCRIBE_STRUCT(Nodes::Answer, (), (fabric, shards, nodes, map))

/// The newest lines, and with `follow` each new one until the fabric stops.
struct Logs {
  static constexpr VerbInfo kVerb{.name = "logs", .parts = Parts::many};
  struct Request {
    std::string node;  // "node-2" or "supervisor"; empty: all
    bool follow = false;
    std::optional<std::uint64_t> tail = {};
  };
  struct Answer {
    std::string time;
    std::string node;
    std::string level;  // of epic::log; "output": not written through it
    std::optional<std::string> entity = {};
    std::string message;
  };
};
BOOST_DESCRIBE_STRUCT(Logs::Request, (), (node, follow, tail))
BOOST_DESCRIBE_STRUCT(Logs::Answer, (), (time, node, level, entity, message))

struct Stop {
  static constexpr VerbInfo kVerb{.name = "stop", .parts = Parts::many};
  struct Request {
    bool machine = false;  // only that of the supervisor which is asked, though it leads the fabric
  };
  struct Answer {
    std::string node;                                      // "supervisor" first, and last, when all nodes have ended
    std::string event;                                     // stopping, waiting (it takes long), stopped
    std::optional<std::vector<std::string>> unsaved = {};  // with the last: nodes that had not saved everything
  };
};
BOOST_DESCRIBE_STRUCT(Stop::Request, (), (machine))
BOOST_DESCRIBE_STRUCT(Stop::Answer, (), (node, event, unsaved))

struct NodeName {
  std::string node;
};
BOOST_DESCRIBE_STRUCT(NodeName, (), (node))

struct Signalled {
  std::string node;
  std::int32_t pid = 0;  // of the process that got the signal
};
BOOST_DESCRIBE_STRUCT(Signalled, (), (node, pid))

/// SIGKILL.
struct Kill {
  static constexpr VerbInfo kVerb{.name = "kill"};
  using Request = NodeName;
  using Answer = Signalled;
};
/// SIGSTOP.
struct Pause {
  static constexpr VerbInfo kVerb{.name = "pause"};
  using Request = NodeName;
  using Answer = Signalled;
};
/// SIGCONT.
struct Resume {
  static constexpr VerbInfo kVerb{.name = "resume"};
  using Request = NodeName;
  using Answer = Signalled;
};

/// Lifts an entity's quarantine. Not found: it is not in quarantine.
struct ReleaseEntity {
  static constexpr VerbInfo kVerb{.name = "release"};
  struct Request {
    std::string entity;
  };
  using Answer = Request;
};
BOOST_DESCRIBE_STRUCT(ReleaseEntity::Request, (), (entity))

/// Answered when the node's shards have moved and its process has ended; it is not restarted. Fails if a Scale asks for
/// it meanwhile.
struct Drain {
  static constexpr VerbInfo kVerb{.name = "drain", .parts = Parts::many};
  using Request = NodeName;
  struct Answer {
    std::string node;
    std::optional<std::uint64_t> shards = {};  // not with the last: those that it still owns, since calls run there
  };
};
BOOST_DESCRIBE_STRUCT(Drain::Answer, (), (node, shards))

/// Answered when the nodes up to this count are ready and those above it have been drained and have ended. Fails if a
/// later request replaces it.
struct Scale {
  static constexpr VerbInfo kVerb{.name = "scale", .parts = Parts::many};
  struct Request {
    std::uint64_t nodes = 0;
  };
  struct Answer {
    std::uint64_t nodes = 0;
    std::optional<std::string> node = {};  // not with the last: one that is leaving, as for Drain
    std::optional<std::uint64_t> shards = {};
  };
};
BOOST_DESCRIBE_STRUCT(Scale::Request, (), (nodes))
BOOST_DESCRIBE_STRUCT(Scale::Answer, (), (nodes, node, shards))

/// Continues if the client leaves. While one is in progress, Drain, Scale and another Restart are refused. Fails if the
/// module cannot start; then all nodes run the previous one.
struct Restart {
  static constexpr VerbInfo kVerb{.name = "restart", .parts = Parts::many};
  struct Request {
    bool rolling = false;
    // By the supervisor of a machine that has the project, for a leader on another: the module's digest, when it was
    // built, and where a supervisor has it.
    std::string module = {};
    std::int64_t built_at_ns = 0;
    std::string address = {};
  };
  struct Answer {
    std::string node;  // "supervisor" with the last
    // starting, ready, draining, waiting (for calls), stopping, stopped, died; restarted: all run the current module
    std::string event;
    std::uint64_t generation = 0;
    std::optional<std::string> why = {};       // of "waiting", and of "died"; the node is restarted
    std::optional<std::int64_t> took_ms = {};  // of "restarted"
  };
};
BOOST_DESCRIBE_STRUCT(Restart::Request, (), (rolling, module, built_at_ns, address))
BOOST_DESCRIBE_STRUCT(Restart::Answer, (), (node, event, generation, why, took_ms))

}  // namespace epic::protocol::control

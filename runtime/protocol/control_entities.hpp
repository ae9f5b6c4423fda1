#pragma once
// Control verbs that nodes answer: one entity, lists of entities, calls in flight, events, dead letters.
//
// Values of users' types are not described here. They are beside the fields: `args` in the request of Call, `result` in
// its answer, `state` in those of Inspect and in rows of Export.
//
// Entities and types may be given by any of their names; supervisor and nodes pass on the stored one.

#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/control_verb.hpp"

namespace epic::protocol::control {

/// A call in flight, as one node knows it.
struct CallInFlight {
  std::string id;  // "NODE.LIFE.SEQUENCE": the same on all nodes
  std::string node;
  std::string entity;
  std::string method;
  std::string caller;
  std::string state;  // "running", "waiting for the lock of …", "sent to node-2" …
  std::int64_t age_ms = 0;
};
BOOST_DESCRIBE_STRUCT(CallInFlight, (), (id, node, entity, method, caller, state, age_ms))

/// A timer that an entity has started.
struct TimerInFlight {
  std::string method;
  std::int64_t every_ms = 0;  // 0: once
  std::int64_t due_ms = 0;    // from now
  std::uint64_t skipped = 0;  // ticks since the last one that ran
  bool pins = false;          // it keeps the entity in memory
};
BOOST_DESCRIBE_STRUCT(TimerInFlight, (), (method, every_ms, due_ms, skipped, pins))

struct Inspect {
  static constexpr VerbInfo kVerb{.name = "inspect", .answered_by = AnsweredBy::owner};
  struct Request {
    std::string entity;
  };
  struct Answer {
    std::string entity;
    std::string type;
    std::string key;
    bool live = false;  // in memory; otherwise this is the stored state
    std::optional<std::string> node = {};
    std::optional<std::uint32_t> local_max = {};  // of a local class: instances of a key on each node; then what
                                                  // follows is empty, but for the calls
    std::uint32_t shard = 0;
    std::uint64_t epoch = 0;
    std::uint64_t version = 0;
    bool unsaved = false;
    std::uint64_t bytes = 0;  // of the state, encoded
    std::optional<std::uint64_t> memory_bytes = {};
    std::string schema;
    std::optional<std::string> saved_at = {};
    std::optional<std::int64_t> active_ms = {};
    std::optional<std::string> activation = {};  // why: first, collected, moved, crashed
    std::optional<std::int64_t> idle_ms = {};
    std::uint64_t queue = 0;  // calls that wait for it
    std::vector<CallInFlight> calls = {};
    std::vector<TimerInFlight> timers = {};
  };
};
BOOST_DESCRIBE_STRUCT(Inspect::Request, (), (entity))
BOOST_DESCRIBE_STRUCT(Inspect::Answer, (),
                      (entity, type, key, live, node, local_max, shard, epoch, version, unsaved, bytes, memory_bytes,
                       schema, saved_at, active_ms, activation, idle_ms, queue, calls, timers))

struct Call {
  static constexpr VerbInfo kVerb{.name = "call", .answered_by = AnsweredBy::owner, .repeat = Repeat::unsafe};
  struct Request {
    std::string entity;
    std::string method;
    std::optional<std::uint64_t> timeout_ms = {};
    std::optional<std::string> idempotency_key = {};  // then it may be repeated
  };
  using Answer = Nothing;
};
BOOST_DESCRIBE_STRUCT(Call::Request, (), (entity, method, timeout_ms, idempotency_key))

/// In no order across nodes. Each live instance of a local class is a part of its own. Stored entities are listed by
/// the node that owns them, so there are no duplicates.
struct Ls {
  static constexpr VerbInfo kVerb{.name = "ls", .answered_by = AnsweredBy::all_nodes, .parts = Parts::many};
  struct Request {
    std::string type;
    std::string prefix;  // of the key
    std::optional<std::uint64_t> limit = {};
    std::string source;  // "live", or all
  };
  struct Answer {
    std::string entity;
    std::string state;  // live, stored
    std::optional<std::string> node = {};
    std::optional<std::uint32_t> shard = {};  // none: one of the instances of a local class
    std::uint64_t version = 0;
    std::uint64_t bytes = 0;
    std::optional<std::int64_t> age_ms = {};  // since the last call, or the last save
    std::uint64_t calls = 0;
  };
};
BOOST_DESCRIBE_STRUCT(Ls::Request, (), (type, prefix, limit, source))
BOOST_DESCRIBE_STRUCT(Ls::Answer, (), (entity, state, node, shard, version, bytes, age_ms, calls))

struct ExportCut {
  std::string node;
  std::uint64_t commit = 0;  // the newest durable commit
};
BOOST_DESCRIBE_STRUCT(ExportCut, (), (node, commit))

struct ExportEnd {
  std::string node;
  std::uint64_t entities = 0;
  std::vector<std::uint32_t> shards = {};
  std::uint64_t moments = 1;  // of the store; more if it took so long that writers would have had to wait for it
};
BOOST_DESCRIBE_STRUCT(ExportEnd, (), (node, entities, shards, moments))

/// For each node one moment between two of its turns, including unsaved state; there is no common moment across nodes.
/// A node moves on to a later moment of its store when the log of the changes since the first has grown too long.
struct Export {
  static constexpr VerbInfo kVerb{.name = "export", .answered_by = AnsweredBy::all_nodes, .parts = Parts::many};
  struct Request {
    std::string type;
    std::string key;  // empty: all
  };
  /// By type and key; its JSON starts with `entity`, which distinguishes it from an Answer.
  struct Row {
    std::string entity = {};
    std::uint64_t version = 0;
    std::string schema = {};
    std::optional<std::string> saved_at = {};
    bool live = false;
    bool unsaved = false;
    std::string node = {};
    std::uint64_t cut = 0;  // the node's newest durable commit at that moment
  };
  /// What comes beside the rows: for each node first `cut` and last `end`, and `damaged` for each row that cannot be
  /// read. The export is complete if the ends name every shard once.
  struct Answer {
    std::optional<ExportCut> cut = {};
    std::optional<std::string> damaged = {};         // what is wrong, in words
    std::optional<std::string> damaged_entity = {};  // its name, unless more than a row is concerned
    std::optional<ExportEnd> end = {};
  };
};
BOOST_DESCRIBE_STRUCT(Export::Request, (), (type, key))
BOOST_DESCRIBE_STRUCT(Export::Row, (), (entity, version, schema, saved_at, live, unsaved, node, cut))
BOOST_DESCRIBE_STRUCT(Export::Answer, (), (cut, damaged, damaged_entity, end))

/// When it answers, it has replaced the states. What a node did before it died, or before it lost the shard, is not
/// repeated, because the state may have changed since: those lines end with an error.
struct Import {
  static constexpr VerbInfo kVerb{.name = "import", .answered_by = AnsweredBy::owner, .repeat = Repeat::unsafe};
  enum class Mode : std::uint8_t {
    check,  // changes nothing, and may be repeated
    apply,
  };
  struct Request {
    Mode mode = Mode::check;
    std::uint32_t shard = 0;
    std::vector<std::string> lines = {};  // each a Line as text, so that no number in it changes on the way
  };
  /// A line, with `state` beside it. Other members, as an export writes them, are ignored.
  struct Line {
    std::string entity;
    std::string schema = {};  // empty: the class's current one
    bool remove = false;
    std::optional<std::uint64_t> version = {};  // remove only that version
  };
  struct Outcome {
    std::string what =
        {};  // new, changed, equal, removed, passed_over; when applied, "done" instead of new, changed and removed
    std::string error = {};
  };
  struct Answer {
    std::vector<Outcome> outcomes = {};  // one per line
    std::uint64_t ignored_fields = 0;
  };
};
BOOST_DESCRIBE_ENUM(Import::Mode, check, apply)
BOOST_DESCRIBE_STRUCT(Import::Request, (), (mode, shard, lines))
BOOST_DESCRIBE_STRUCT(Import::Line, (), (entity, schema, remove, version))
BOOST_DESCRIBE_STRUCT(Import::Outcome, (), (what, error))
BOOST_DESCRIBE_STRUCT(Import::Answer, (), (outcomes, ignored_fields))

/// The newest, oldest first; with `follow` it continues until the fabric stops.
struct Events {
  static constexpr VerbInfo kVerb{.name = "events", .answered_by = AnsweredBy::all_nodes, .parts = Parts::many};
  /// How far a reader has read: the process it read from, and the newest numbers of both rings.
  struct Cursor {
    std::uint64_t life = 0;
    std::uint64_t lives = 0;
    std::uint64_t saves = 0;
  };
  struct Request {
    std::string entity = {};
    std::string type = {};
    std::optional<std::uint64_t> limit = {};
    bool follow = false;
    std::map<std::string, Cursor> after = {};  // by node; for the supervisor
  };
  struct Answer {
    std::string time = {};
    std::string node = {};
    std::optional<std::string> entity = {};  // none: about the node itself
    /// activated, failed, saved, erased, collected, moved, stopped, replaced (by an import), discarded, deadlocked,
    /// slow to stop, quarantined, released; of nodes: ready, died, ended, moved, silent; of machines: evicted.
    std::string what = {};
    std::optional<std::string> why = {};
    std::optional<std::uint64_t> version = {};
    std::optional<std::int64_t> took_us = {};
    std::optional<std::int64_t> placement_us = {};  // parts of took_us, of activated and failed
    std::optional<std::int64_t> load_us = {};
    std::optional<std::int64_t> start_us = {};
    std::optional<std::uint64_t> bytes = {};  // of saved
    std::optional<std::uint64_t> commit = {};
    std::optional<std::uint64_t> saves = {};  // how many there were in the window
    std::optional<bool> durable = {};
    std::optional<std::vector<std::uint32_t>> shards = {};  // that moved
  };
  struct Timed {
    std::int64_t wall_ns = 0;
    Answer event = {};
  };
  struct NodeAnswer {
    std::string node = {};
    Cursor cursor = {};
    std::vector<Timed> events = {};
  };
};
BOOST_DESCRIBE_STRUCT(Events::Cursor, (), (life, lives, saves))
BOOST_DESCRIBE_STRUCT(Events::Request, (), (entity, type, limit, follow, after))
BOOST_DESCRIBE_STRUCT(Events::Answer, (),
                      (time, node, entity, what, why, version, took_us, placement_us, load_us, start_us, bytes, commit,
                       saves, durable, shards))
BOOST_DESCRIBE_STRUCT(Events::Timed, (), (wall_ns, event))
BOOST_DESCRIBE_STRUCT(Events::NodeAnswer, (), (node, cursor, events))

/// Calls in flight, each below its caller, the oldest trees first.
struct Calls {
  static constexpr VerbInfo kVerb{.name = "calls", .answered_by = AnsweredBy::all_nodes};
  struct Request {
    std::string entity = {};
    std::string type = {};
    std::optional<std::uint64_t> older_than_ms = {};
  };
  struct Row {
    std::string id;
    std::optional<std::string> parent = {};
    std::uint64_t depth = 0;
    std::optional<std::string> node = {};  // none: known by name only
    std::optional<std::string> entity = {};
    std::optional<std::string> method = {};
    std::string call;  // "Player/Bob.enter_level"
    std::string state;
    std::optional<std::string> caller = {};
    std::optional<std::int64_t> age_ms = {};
  };
  struct Answer {
    std::vector<Row> calls = {};
    std::uint64_t left_off = 0;
    std::vector<std::string> silent = {};  // nodes that did not answer
  };
  struct Link {
    std::string id;
    std::string call;
  };
  struct Known : CallInFlight {
    std::optional<std::string> sent_to = {};
    std::vector<Link> waiting = {};  // the callers: the outermost first, a part of the chain if it is long
  };
  struct NodeAnswer {
    std::string node;
    std::vector<Known> calls = {};
    std::uint64_t left_off = 0;
  };
};
BOOST_DESCRIBE_STRUCT(Calls::Request, (), (entity, type, older_than_ms))
BOOST_DESCRIBE_STRUCT(Calls::Row, (), (id, parent, depth, node, entity, method, call, state, caller, age_ms))
BOOST_DESCRIBE_STRUCT(Calls::Answer, (), (calls, left_off, silent))
BOOST_DESCRIBE_STRUCT(Calls::Link, (), (id, call))
BOOST_DESCRIBE_STRUCT(Calls::Known, (CallInFlight), (sent_to, waiting))
BOOST_DESCRIBE_STRUCT(Calls::NodeAnswer, (), (node, calls, left_off))

/// Retries or drops dead letters. When it answers, that is durable. Ids of other messages count as nothing.
struct Outbox {
  static constexpr VerbInfo kVerb{.name = "outbox", .answered_by = AnsweredBy::all_nodes, .repeat = Repeat::unsafe};
  static constexpr std::size_t kIdsMax = 1024;
  enum class Action : std::uint8_t {
    retry,  // each becomes a new message
    drop,
  };
  struct Request {
    Action action = Action::retry;
    std::vector<std::string> ids = {};  // "3.1.7"
  };
  struct Answer {
    std::uint64_t count = 0;  // retried or dropped; less than `ids` if some were settled before, or on the move
  };
};
BOOST_DESCRIBE_ENUM(Outbox::Action, retry, drop)
BOOST_DESCRIBE_STRUCT(Outbox::Request, (), (action, ids))
BOOST_DESCRIBE_STRUCT(Outbox::Answer, (), (count))

}  // namespace epic::protocol::control

#pragma once
// What a module is, without running it: its entity classes, as the verb `types` and `epic-node --describe` report them,
// and how it reads a store, as `epic-node --check` does.

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernel/class_counters.hpp"
#include "protocol/control_verb.hpp"

namespace epic::protocol::control {

struct Types {
  static constexpr VerbInfo kVerb{.name = "types", .answered_by = AnsweredBy::all_nodes};
  using Request = Nothing;
  struct Method {
    std::string name;
    std::vector<std::string> parameters = {};       // "int32"
    std::vector<std::string> parameter_names = {};  // empty if the class does not name them
    std::optional<std::string> result = {};
    bool read_only = false;
    bool exclusive = false;
  };
  struct Field {
    std::string name;
    std::string type;
  };
  struct Type {
    std::string type;
    std::vector<std::string> formerly = {};
    std::string stored_as;
    std::string group;  // whose tags it shares: its own stored name, unless it is together(…) with another
    std::string mode;   // gated, interval, transient, local
    std::optional<std::int64_t> interval_ms = {};
    bool exclusive = false;
    std::vector<Method> methods = {};
    std::vector<Field> state = {};
    std::string schema;
    std::string schema_id;
    std::optional<kernel::ClassCounters> counters = {};  // of all nodes; none in a module's description
  };
  struct Answer {
    std::vector<Type> types = {};
  };
};
BOOST_DESCRIBE_STRUCT(Types::Method, (), (name, parameters, parameter_names, result, read_only, exclusive))
BOOST_DESCRIBE_STRUCT(Types::Field, (), (name, type))
BOOST_DESCRIBE_STRUCT(Types::Type, (),
                      (type, formerly, stored_as, group, mode, interval_ms, exclusive, methods, state, schema,
                       schema_id, counters))
BOOST_DESCRIBE_STRUCT(Types::Answer, (), (types))

struct StoreCheck {
  /// A difference between the schema that was written and the one of the class (codec/conversion.hpp).
  struct Change {
    std::string what = {};
    std::string effect = {};  // converts, may_fail, fails
    std::string field = {};
    std::string was = {};
    std::string is = {};
    std::string text = {};
  };
  /// Why snapshots cannot be read.
  struct Reason {
    std::string field = {};
    std::string message = {};
    std::uint64_t entities = 0;
    std::optional<std::string> example = {};  // one of them; none: none had to be decoded
  };
  /// The snapshots of one type that were written with one schema.
  struct Row {
    std::string type = {};
    std::string stored_as = {};
    std::optional<std::string> schema = {};
    std::uint64_t entities = 0;
    /// reads, converts, partly, fails; unused: the class has no state, or is transient; damaged: the schema is missing
    /// or malformed; orphaned: they belong to a class that is stored under another name; unclaimed: to no class. The
    /// last two have no schema.
    std::string verdict = {};
    std::uint64_t unreadable = 0;  // or not found any more
    std::vector<Change> changes = {};
    std::vector<Reason> reasons = {};
    std::string text = {};  // all that in a line
  };
  /// Messages whose receiver's class or method the module does not have.
  struct Undeliverable {
    std::string type = {};
    std::string method = {};
    bool has_class = false;
    std::uint64_t messages = 0;  // dead letters included
    std::string example = {};    // the id of one of them
  };
  struct Answer {
    std::vector<Row> rows = {};
    /// Snapshots that no module could read. Those with the verdict `damaged` are not `unreadable`.
    std::uint64_t damaged = 0;
    std::vector<Undeliverable> undeliverable = {};
  };
};
BOOST_DESCRIBE_STRUCT(StoreCheck::Change, (), (what, effect, field, was, is, text))
BOOST_DESCRIBE_STRUCT(StoreCheck::Reason, (), (field, message, entities, example))
BOOST_DESCRIBE_STRUCT(StoreCheck::Row, (),
                      (type, stored_as, schema, entities, verdict, unreadable, changes, reasons, text))
BOOST_DESCRIBE_STRUCT(StoreCheck::Undeliverable, (), (type, method, has_class, messages, example))
BOOST_DESCRIBE_STRUCT(StoreCheck::Answer, (), (rows, damaged, undeliverable))

}  // namespace epic::protocol::control

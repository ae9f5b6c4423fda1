#pragma once
// Entity classes, as the verb `types` and `epic-node --describe` report them.

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/control_verb.hpp"

namespace epic::protocol::control {

struct Types {
  static constexpr VerbInfo kVerb{.name = "types", .answered_by = AnsweredBy::all_nodes};
  using Request = Nothing;
  struct Method {
    std::string name;
    std::vector<std::string> parameters;       // "int32"
    std::vector<std::string> parameter_names;  // empty if the class does not name them
    std::optional<std::string> result;
    bool read_only = false;
    bool exclusive = false;
  };
  struct Field {
    std::string name;
    std::string type;
  };
  struct Type {
    std::string type;
    std::vector<std::string> formerly;
    std::string stored_as;
    std::string mode;  // gated, interval, transient
    std::optional<std::int64_t> interval_ms;
    bool exclusive = false;
    std::vector<Method> methods;
    std::vector<Field> state;
    std::string schema;
    std::string schema_id;
  };
  struct Answer {
    std::vector<Type> types;
  };
};
BOOST_DESCRIBE_STRUCT(Types::Method, (), (name, parameters, parameter_names, result, read_only, exclusive))
BOOST_DESCRIBE_STRUCT(Types::Field, (), (name, type))
BOOST_DESCRIBE_STRUCT(Types::Type, (),
                      (type, formerly, stored_as, mode, interval_ms, exclusive, methods, state, schema, schema_id))
BOOST_DESCRIBE_STRUCT(Types::Answer, (), (types))

}  // namespace epic::protocol::control

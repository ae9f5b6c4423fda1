#pragma once
// EntityName: Type/Key as typed. The key is everything after the first '/'. And what may be wrong with the entity's
// state.

#include <string>
#include <string_view>

#include "cli/parser/arguments.hpp"

namespace epic::cli {

struct EntityName {
  std::string type;
  std::string key;  // empty only where a whole type may be given
  [[nodiscard]] std::string text() const { return key.empty() ? type : type + "/" + key; }
};

/// A saved state that cannot be read.
struct Damage {
  std::string entity;  // empty: it is about more than one
  std::string what;    // a sentence
};

/// A full name; anything else is a usage failure of `command`.
inline Result<EntityName> parse_entity(const Command& command, std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == text.size())
    return fail(usage_failure(command, "\"" + std::string(text) + "\" is not a valid entity name",
                              "an entity name is a type, a '/' and a key, for example Player/Bob"));
  return EntityName{std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

/// A type, or a full name.
inline Result<EntityName> parse_type_or_entity(const Command& command, std::string_view text) {
  if (text.ends_with('/') && text.find('/') + 1 == text.size()) text.remove_suffix(1);
  if (!text.empty() && text.find('/') == std::string_view::npos) return EntityName{std::string(text), ""};
  return parse_entity(command, text);
}

/// The positional at `index`, which is one; empty if it was not given.
inline Result<EntityName> parse_type_or_entity(const Arguments& arguments, std::size_t index = 0) {
  const auto word = arguments.word(index);
  return word ? parse_type_or_entity(arguments.command(), *word) : EntityName();
}

}  // namespace epic::cli

#pragma once
// Completion: what can follow the words typed so far. The shells ask through `epic __complete -- words…`.
//
// The answer comes from the command table, and for entities, methods and nodes from a NameSource. Nothing
// here fails: where something cannot be known, there is no candidate.

#include <string>
#include <string_view>
#include <vector>

#include "cli/parser/command.hpp"

namespace epic::cli {

/// The names that only a fabric, a store or an installation knows.
class NameSource {
 public:
  virtual ~NameSource() = default;
  virtual std::vector<std::string> types() = 0;
  /// Entities as "Type/Key" that start with `prefix`, a bounded number of them.
  virtual std::vector<std::string> entities(std::string_view prefix) = 0;
  virtual std::vector<std::string> methods(std::string_view type) = 0;
  virtual std::vector<std::string> nodes() = 0;
  virtual std::vector<std::string> templates() = 0;
  virtual std::vector<std::string> tests() = 0;
  virtual std::vector<std::string> scenarios() = 0;
  virtual std::vector<std::string> settings() = 0;
  virtual std::vector<std::string> connections() = 0;
};

struct Candidate {
  std::string word;
  std::string description;  // may be empty
  bool operator==(const Candidate&) const = default;
};

struct Completion {
  std::vector<Candidate> candidates;  // those that start with what was typed
  /// The shell completes paths itself.
  enum class Paths { none, files, directories } paths = Paths::none;
};

/// `words` are those after `epic`; the last is the one to complete, and may be empty.
Completion complete(const CommandTable& table, const std::vector<std::string>& words, NameSource& names);

}  // namespace epic::cli

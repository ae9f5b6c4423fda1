#pragma once
// Completion: what can follow the words typed so far. The shells ask through `epic __complete -- words…`.
//
// The answer comes from the command table, and for entities, methods and nodes from the sources in names.hpp. Nothing
// here fails: where something cannot be known, there is no candidate.

#include <string>
#include <vector>

#include "cli/commands/command.hpp"
#include "cli/completion/names.hpp"

namespace epic::cli {

struct Candidate {
  std::string word;
  std::string description;  // may be empty
  bool operator==(const Candidate&) const = default;
};

struct Completion {
  std::vector<Candidate> candidates;  // those that begin with what was typed
  /// The shell completes paths itself.
  enum class Paths { none, files, directories } paths = Paths::none;
};

/// `words` are those after `epic`; the last is the one to complete, and may be empty.
Completion complete(const std::vector<std::string>& words, NameSource& names);

}  // namespace epic::cli

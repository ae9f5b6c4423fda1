#pragma once
// ImportRun: one pass over the lines of an import, in groups, and its outcome.
//
// Groups are bounded in lines and bytes, with one in progress per part. So a pass over a million lines needs memory for
// a few thousand, plus sixteen bytes per line to find duplicate names.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/fabric/import_target.hpp"
#include "cli/output/progress.hpp"

namespace epic::cli {

struct ImportCounts {
  std::uint64_t added = 0;
  std::uint64_t changed = 0;
  std::uint64_t equal = 0;
  std::uint64_t removed = 0;
  std::uint64_t passed_over = 0;
  std::uint64_t done = 0;
};

/// What is wrong with a line.
struct ImportProblem {
  std::uint64_t line = 0;
  std::string place;   // "arena.jsonl, line 7"
  std::string entity;  // empty if the line names none
  std::string what;
};

class ImportRun {
 public:
  ImportRun(ImportTarget& target, ImportMode mode, Progress& progress)
      : target_(target), mode_(mode), progress_(progress) {}

  Result<void> add(const EntityName& name, std::string line, std::uint64_t number);
  /// A problem with a line that cannot be added.
  void add_problem(std::uint64_t line, const std::string& entity, const std::string& what);
  /// Sends the remaining lines. Duplicate names are problems. `place` describes the position of a line.
  Result<void> finish(const std::function<std::string(std::uint64_t)>& place);

  [[nodiscard]] const std::map<std::string, ImportCounts>& counts() const { return counts_; }
  [[nodiscard]] ImportCounts total() const;
  [[nodiscard]] std::uint64_t ignored_fields() const { return ignored_fields_; }
  /// The first kProblemsMax problems, by line.
  [[nodiscard]] const std::vector<ImportProblem>& problems() const { return problems_; }
  [[nodiscard]] std::uint64_t problem_count() const { return problem_count_; }

  static constexpr std::size_t kProblemsMax = 20;

 private:
  struct Group {
    std::vector<std::string> lines;
    std::vector<std::pair<EntityName, std::uint64_t>> names;  // and the number of the line
    std::size_t bytes = 0;
  };
  Result<void> send(std::uint32_t part, Group group);

  ImportTarget& target_;
  ImportMode mode_;
  Progress& progress_;
  std::map<std::uint32_t, Group> groups_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen_;  // hash of a name, number of its line
  std::map<std::string, ImportCounts> counts_;                 // by type
  std::vector<ImportProblem> problems_;
  std::uint64_t problem_count_ = 0;
  std::uint64_t ignored_fields_ = 0;
};

}  // namespace epic::cli

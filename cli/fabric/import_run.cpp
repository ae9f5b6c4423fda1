#include "cli/fabric/import_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "reflect/hash.hpp"

namespace epic::cli {
namespace {

constexpr std::size_t kGroupBytesMax = 1u << 20;  // a longer line is sent alone

}  // namespace

Result<void> ImportRun::add(const EntityName& name, std::string line, std::uint64_t number) {
  const EntityName present{target_.present_name(name.type), name.key};
  seen_.emplace_back(reflect::hash64(present.text()), number);
  const std::uint32_t part = target_.part_of(present);
  Group& group = groups_[part];
  group.bytes += line.size();
  group.lines.push_back(std::move(line));
  group.names.emplace_back(present, number);
  if (group.lines.size() < target_.group_lines_max() && group.bytes < kGroupBytesMax) return {};
  return send(part, std::exchange(group, {}));
}

void ImportRun::add_problem(std::uint64_t line, const std::string& entity, const std::string& what) {
  ++problem_count_;
  if (problems_.size() < kProblemsMax) problems_.push_back({.line = line, .place = {}, .entity = entity, .what = what});
}

Result<void> ImportRun::send(std::uint32_t part, Group group) {
  const auto answer = target_.send(mode_, part, group.lines);
  if (!answer && target_.goes_on() && mode_ == ImportMode::apply && answer.error().code == ExitCode::failed) {
    for (const auto& [name, number] : group.names) {
      add_problem(number, name.text(), answer.error().what);
      progress_.step();
    }
    return {};
  }
  if (!answer) return std::unexpected(answer.error());
  ignored_fields_ += answer->ignored_fields;
  for (std::size_t i = 0; i < group.names.size(); ++i) {
    const ImportOutcome& outcome = answer->outcomes[i];
    const auto& [name, number] = group.names[i];
    ImportCounts& counts = counts_[name.type];
    if (outcome.what == "new") ++counts.added;
    if (outcome.what == "changed") ++counts.changed;
    if (outcome.what == "equal") ++counts.equal;
    if (outcome.what == "removed") ++counts.removed;
    if (outcome.what == "passed_over") ++counts.passed_over;
    if (outcome.what == "done") ++counts.done;
    if (outcome.what.empty()) add_problem(number, name.text(), outcome.error);
    progress_.step();
  }
  return {};
}

Result<void> ImportRun::finish(const std::function<std::string(std::uint64_t)>& place) {
  for (auto& [part, group] : groups_)
    if (!group.lines.empty()) EPIC_TRY(send(part, std::exchange(group, {})));
  std::ranges::sort(seen_);
  for (std::size_t i = 1; i < seen_.size(); ++i)
    if (seen_[i].first == seen_[i - 1].first)
      add_problem(seen_[i].second, {},
                  fmt::format("the same entity was on line {} already: leave one of the two out", seen_[i - 1].second));
  std::ranges::sort(problems_, {}, &ImportProblem::line);
  for (ImportProblem& problem : problems_) problem.place = place(problem.line);
  return {};
}

ImportCounts ImportRun::total() const {
  ImportCounts total;
  for (const auto& [type, counts] : counts_) {
    total.added += counts.added;
    total.changed += counts.changed;
    total.equal += counts.equal;
    total.removed += counts.removed;
    total.passed_over += counts.passed_over;
    total.done += counts.done;
  }
  return total;
}

}  // namespace epic::cli

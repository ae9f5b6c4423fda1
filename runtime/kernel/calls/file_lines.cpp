#include "kernel/calls/file_lines.hpp"

#include <iterator>

namespace epic::kernel {

void FileLines::join(Work work) {
  const auto line = lines_.try_emplace(std::pair(work->entity, work->path)).first;
  line->second.push_back({.work = std::move(work)});
  const auto place = std::prev(line->second.end());
  joined_.emplace(place->work.get(), Joined{line, place});
}

std::vector<FileLines::Work> FileLines::on_ready(const detail::FileWork& work) {
  const Joined& joined = joined_.at(&work);
  joined.place->state = State::ready;
  return begin_some(joined.line->second);
}

std::vector<FileLines::Work> FileLines::leave(const detail::FileWork& work) {
  const auto left = joined_.extract(&work);
  if (left.empty()) return {};
  const auto [line, place] = left.mapped();
  line->second.erase(place);
  std::vector<Work> begun = begin_some(line->second);
  if (line->second.empty()) lines_.erase(line);
  return begun;
}

FileLines::State FileLines::state_of(const detail::FileWork& work) const {
  const auto found = joined_.find(&work);
  return found == joined_.end() ? State::absent : found->second.place->state;
}

std::vector<std::shared_ptr<detail::FileOwner>> FileLines::take_owners() {
  std::vector<std::shared_ptr<detail::FileOwner>> owners;
  for (auto& [name, line] : lines_)
    for (const Place& place : line) owners.push_back(std::move(place.work->owner));
  return owners;
}

/// Nothing passes what changes the file.
std::vector<FileLines::Work> FileLines::begin_some(Line& line) {
  std::vector<Work> begun;
  for (auto place = line.begin(); place != line.end(); ++place) {
    const bool is_read = !place->work->is_change();
    if (place->state == State::ready && (is_read || place == line.begin())) {
      place->state = State::begun;
      begun.push_back(place->work);
    }
    if (!is_read) break;
  }
  return begun;
}

}  // namespace epic::kernel

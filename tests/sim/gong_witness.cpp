#include "sim/gong_witness.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace epic::test {

namespace {

constexpr std::int64_t kRecentNumbers = 4;

}  // namespace

std::int64_t GongWitness::recent_number(std::size_t gong, std::uint64_t chance) const {
  const std::int64_t last = gongs_[gong].last_number;
  return last - static_cast<std::int64_t>(chance % kRecentNumbers);
}

bool GongWitness::is_settled(const std::vector<GongBooks>& books) {
  return std::ranges::all_of(books, [](const GongBooks& one) { return one.waiting == 0; });
}

std::vector<std::string> GongWitness::judge(const std::vector<GongBooks>& books, const LettersLeft& letters,
                                            WallClocks clocks) const {
  std::vector<std::string> violations;
  const auto violate = [&](std::size_t gong, const std::string& what) {
    violations.push_back(fmt::format("Gong/{}: {}", gong, what));
  };
  std::int64_t refused = 0;
  std::int64_t cut_short = 0;
  for (std::size_t i = 0; i < books.size(); ++i) {
    const GongBooks& one = books[i];
    const Known& known = gongs_[i];
    refused += one.refused;
    cut_short += one.begun - one.finished;
    if (one.set < known.set || one.set > known.set + known.unknown)
      violate(i, fmt::format("{} reminders were set; {} were acknowledged, {} are unknown", one.set, known.set,
                             known.unknown));
    if (one.waiting > 0) violate(i, fmt::format("{} reminders have not come", one.waiting));
    if (one.set != one.rung + one.dropped + one.waiting)
      violate(i, fmt::format("of {} reminders {} have come, and {} were forgotten", one.set, one.rung, one.dropped));
    if (one.strays > 0)
      violate(i, fmt::format("{} reminders came once more, or after they were forgotten", one.strays));
    if (one.early > 0 && clocks == WallClocks::steady)
      violate(i, fmt::format("{} reminders came before their time", one.early));
    if (one.uncounted > 0)
      violate(i, fmt::format("{} calls did not count all due times that were over", one.uncounted));
    if (one.ticks == 0) violate(i, "the reminder that recurs has never come");
  }
  if (refused != letters.refusals)
    violations.push_back(
        fmt::format("{} calls were to be refused, and {} dead letters say so", refused, letters.refusals));
  if (cut_short != letters.tolls)
    violations.push_back(fmt::format("{} calls were cut short after their first turn, and {} dead letters say so",
                                     cut_short, letters.tolls));
  return violations;
}

}  // namespace epic::test

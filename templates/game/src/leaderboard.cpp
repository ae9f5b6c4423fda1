#include "leaderboard.hpp"

#include <algorithm>

namespace {
constexpr std::size_t kStandingsMax = 100;
}

epic::Task<bool> Leaderboard::submit(Standing standing) {
  const bool is_best = standings.empty() || standing.score > standings.front().score;

  std::erase_if(standings, [&](const Standing& old) { return old.player == standing.player; });
  const auto place = std::ranges::upper_bound(standings, standing.score, std::ranges::greater{}, &Standing::score);
  standings.insert(place, std::move(standing));
  if (standings.size() > kStandingsMax) standings.pop_back();
  co_return is_best;
}

epic::Task<std::vector<Standing>> Leaderboard::get_top(std::int32_t count) const {
  const auto size = static_cast<std::int32_t>(standings.size());
  co_return std::vector<Standing>(standings.begin(), standings.begin() + std::clamp(count, 0, size));
}

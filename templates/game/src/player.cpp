#include "player.hpp"

#include "match.hpp"

namespace {
constexpr int kRounds = 2;  // so barrels that take three hits survive
}

epic::Task<std::int64_t> Player::enter_level(epic::Ref<Match> match, std::vector<epic::Ref<Barrel>> barrels) {
  std::int64_t fallen = 0;
  for (int round = 0; round < kRounds; ++round) fallen = co_await match->shoot(self(), barrels);
  co_return fallen;
}

epic::Task<void> Player::keep_score(epic::Ref<Match> match, std::int64_t score) {
  scores[std::string(match.key())] = score;
  co_return;
}

epic::Task<std::int64_t> Player::get_score() const {
  std::int64_t sum = 0;
  for (const auto& [level, score] : scores) sum += score;
  co_return sum;
}

epic::Task<std::string> Player::get_name() const { co_return std::string(key()) + ": " + title; }

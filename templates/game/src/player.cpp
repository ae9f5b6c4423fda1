#include "player.hpp"

#include <algorithm>
#include <chrono>

using namespace std::chrono_literals;

namespace {
constexpr int kRounds = 2;  // so barrels that take three hits survive
}

epic::Task<std::int64_t> Player::enter_level(std::string level, std::vector<epic::Ref<Barrel>> barrels) {
  std::int64_t fallen = 0;
  for (int round = 0; round < kRounds; ++round) {
    if (round > 0) co_await epic::sleep(10ms);  // reloading

    // Shoots at all barrels at once; they live on different nodes and answer in parallel.
    std::vector<epic::Call<bool>> shots;
    for (const auto& barrel : barrels) shots.push_back(barrel->on_hit(self()));
    const std::vector<bool> results = co_await epic::gather(std::move(shots));
    fallen = std::ranges::count(results, true);
  }
  scores[level] = fallen;
  co_return fallen;
}

epic::Task<std::int64_t> Player::get_score() const {
  std::int64_t sum = 0;
  for (const auto& [level, score] : scores) sum += score;
  co_return sum;
}

epic::Task<std::string> Player::get_name() const { co_return std::string(key()) + ": " + title; }

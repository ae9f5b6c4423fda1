#include "match.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

using namespace std::chrono_literals;

epic::Task<> Match::on_activate() {
  if (is_on && epic::activation_cause() == epic::ActivationCause::crashed) {
    ++rounds_lost;
    epic::log::warn("A crash has cut the round short. The match has to be played again.");
  }
  is_on = false;  // no round outlives the activation that plays it
  co_return;
}

epic::Task<std::int64_t> Match::play(epic::Ref<Player> player, std::vector<epic::Ref<Barrel>> barrels) {
  if (!result) {
    const std::int64_t fallen = co_await play_round(player, std::move(barrels));
    if (!result) result = fallen;
    epic::forget("end");
  }
  co_await (*played_by)->keep_score(self(), *result);  // again, if a crash came between
  co_return *result;
}

epic::Task<std::int64_t> Match::play_round(epic::Ref<Player> player, std::vector<epic::Ref<Barrel>> barrels) {
  epic::remind("end", kLasts, &Match::end);
  played_by = player;
  is_on = true;
  ticks_ = epic::every(50ms, &Match::tick);
  std::int64_t fallen = 0;
  std::exception_ptr failure;
  try {
    fallen = co_await player->enter_level(self(), std::move(barrels));
  } catch (...) {
    failure = std::current_exception();
  }
  ticks_.stop();
  is_on = false;
  if (failure && !result) std::rethrow_exception(failure);
  co_return fallen;
}

epic::Task<void> Match::end() {
  result = 0;
  is_on = false;
  ticks_.stop();
  for (auto& [player, shot] : std::exchange(shots_, {}))
    shot->fallen.set_exception(std::make_exception_ptr(std::runtime_error("the time is up")));
  co_return;
}

epic::Task<std::int64_t> Match::shoot(epic::Ref<Player> player, std::vector<epic::Ref<Barrel>> barrels) {
  if (!is_on) throw std::logic_error("no round is on");
  auto shot = shots_[player];
  if (!shot) shot = shots_[player] = std::make_shared<Shot>();
  shot->player = player;
  shot->barrels = std::move(barrels);
  co_return co_await shot->fallen;
}

epic::Task<void> Match::tick() {
  std::vector<epic::Task<void>> shots;
  for (auto& [player, shot] : std::exchange(shots_, {})) shots.push_back(fire(std::move(shot)));
  co_await epic::gather(std::move(shots));
}

// Shoots at all barrels at once; they live on different nodes and answer in parallel.
epic::Task<void> Match::fire(std::shared_ptr<Shot> shot) {
  try {
    std::vector<epic::Call<bool>> hits;
    for (const auto& barrel : shot->barrels) hits.push_back(barrel->on_hit(shot->player));
    const std::vector<bool> results = co_await epic::gather(std::move(hits));
    shot->fallen.set_value(std::ranges::count(results, true));
  } catch (...) {
    shot->fallen.set_exception(std::current_exception());
  }
}

epic::Task<std::optional<std::int64_t>> Match::get_result() const { co_return result; }

epic::Task<std::int32_t> Match::get_rounds_lost() const { co_return rounds_lost; }

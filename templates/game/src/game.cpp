// What the nodes load: the entity classes, and the opening match, which is played once per fabric.

#include <epic/epic.hpp>

#include "barrel.hpp"
#include "leaderboard.hpp"
#include "match.hpp"
#include "player.hpp"

// Runs at each `epic run`, and again on another node if its node dies before it returns. Everything it calls is safe to
// repeat, so a second run finds the match played and the score unchanged.
epic::Task<void> setup(epic::Pool pool) {
  auto player = pool.get<Player>("Bob");
  std::vector<epic::Ref<Barrel>> barrels;
  for (int number = 0; number < 30; ++number) barrels.push_back(pool.get<Barrel>(number));

  co_await pool.get<Match>("opening")->play(player, barrels);

  auto [name, score] = co_await epic::gather(player->get_name(), player->get_score());
  auto leaderboard = pool.get<Leaderboard>("world");
  if (co_await leaderboard->submit({.player = player, .name = name, .score = score}))
    epic::log::info("New high score for player {}: {}", name, score);
  else
    epic::log::info("High score of player {}, set earlier: {}", name, score);
}

EPIC_MODULE(setup, Player, Match, Barrel, Leaderboard)

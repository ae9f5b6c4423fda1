#pragma once
// Leaderboard: who is best. One for the world, as Leaderboard/world; others would do as well, by region or season.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <epic/epic.hpp>
#include <string>
#include <vector>

#include "player.hpp"

/// A line of the board. Structs that travel or are saved say their members to BOOST_DESCRIBE_STRUCT.
struct Standing {
  epic::Ref<Player> player;
  std::string name;
  std::int64_t score = 0;
};
BOOST_DESCRIBE_STRUCT(Standing, (), (player, name, score))

class Leaderboard : public epic::Entity {
  std::vector<Standing> standings;  // best first, one a player

 public:
  /// True if this is now the highest score of all, and was not before.
  epic::Task<bool> submit(Standing standing);

  /// The best `count`, best first.
  epic::Task<std::vector<Standing>> get_top(std::int32_t count) const;

  EPIC_ENTITY(Leaderboard, state(standings), methods(submit, get_top))
};

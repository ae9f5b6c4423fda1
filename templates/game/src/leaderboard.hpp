#pragma once
// Leaderboard: the best scores. The game has one, Leaderboard/world; a region or season could have its own.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <epic/epic.hpp>
#include <string>
#include <vector>

#include "player.hpp"

/// A line of the board. A struct that is sent or saved lists its members in BOOST_DESCRIBE_STRUCT.
struct Standing {
  epic::Ref<Player> player;
  std::string name;
  std::int64_t score = 0;
};
BOOST_DESCRIBE_STRUCT(Standing, (), (player, name, score))

class Leaderboard : public epic::Entity {
  std::vector<Standing> standings;  // best first, one per player

 public:
  /// True if this is a new highest score.
  epic::Task<bool> submit(Standing standing);

  /// The best `count`, best first.
  epic::Task<std::vector<Standing>> get_top(std::int32_t count) const;

  EPIC_ENTITY(Leaderboard, state(standings), methods(submit, get_top))
};

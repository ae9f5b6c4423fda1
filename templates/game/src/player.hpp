#pragma once
// Player: enters levels full of barrels, and remembers the score of each level.

#include <cstdint>
#include <epic/epic.hpp>
#include <map>
#include <string>
#include <vector>

#include "barrel.hpp"

class Match;

class Player : public epic::Entity {
  std::string title = "Slayer of armoured cylinders";
  std::map<std::string, std::int64_t> scores;  // by level

 public:
  /// Shoots at every barrel, in the match's next ticks, and returns how many have exploded. A barrel counts once,
  /// however often its level is entered. Exclusive, so that one which is entered again after a crash of the caller
  /// waits for the first time to end.
  epic::Task<std::int64_t> enter_level(epic::Ref<Match> match, std::vector<epic::Ref<Barrel>> barrels);

  /// The match's result. Sets the score of the level, which has the match's name, instead of adding to it: so it may be
  /// called again.
  epic::Task<void> keep_score(epic::Ref<Match> match, std::int64_t score);

  /// The sum over all levels.
  epic::Task<std::int64_t> get_score() const;

  /// "Bob: Slayer of armoured cylinders"
  epic::Task<std::string> get_name() const;

  EPIC_ENTITY(Player, state(title, scores), exclusive(enter_level), methods(keep_score, get_score, get_name))
};

#pragma once
// Match: one player, one level, one result. A match is played once, however often `play` is called.

#include <cstdint>
#include <epic/epic.hpp>
#include <optional>
#include <vector>

#include "barrel.hpp"
#include "player.hpp"

class Match : public epic::Entity {
  std::optional<std::int64_t> result;

 public:
  /// Returns the player's score in this match. Exclusive, so that it is not played twice at once: a second caller waits
  /// and gets the first one's result.
  epic::Task<std::int64_t> play(epic::Ref<Player> player, std::vector<epic::Ref<Barrel>> barrels);

  epic::Task<std::optional<std::int64_t>> get_result() const;

  EPIC_ENTITY(Match, state(result), exclusive(play), methods(get_result))
};

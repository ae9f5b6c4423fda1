#pragma once
// Match: one player, one level, one result. A match is played once, however often `play` is called.
//
// It is played live: what a player does takes effect at the next tick, twenty times a second. Between two ticks it is
// only in memory, since a save each time would cost more than it is worth. What has to last, the result, is saved.
// After a crash in mid-play the match learns from epic::activation_cause() that it has lost the rest, and `play` begins
// anew. If nobody plays it anew, a reminder ends it.

#include <chrono>
#include <cstdint>
#include <epic/epic.hpp>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "barrel.hpp"
#include "player.hpp"

class Match : public epic::Entity {
  std::optional<std::int64_t> result;
  std::optional<epic::Ref<Player>> played_by;  // its last round
  bool is_on = false;
  std::int32_t rounds_lost = 0;

  // Live, and not saved.
  struct Shot {
    epic::Ref<Player> player;
    std::vector<epic::Ref<Barrel>> barrels;
    epic::Promise<std::int64_t> fallen;
  };
  std::map<epic::Ref<Player>, std::shared_ptr<Shot>> shots_;  // until the next tick; shared with who waits for it
  epic::Timer ticks_;

 public:
  static constexpr std::chrono::seconds kLasts{20};  // at most, since its last round began

  epic::Task<> on_activate() override;

  /// Returns the player's score in this match. Exclusive, so that it is not played twice at once: a second caller waits
  /// and gets the first one's result. 0 if the time has run out.
  epic::Task<std::int64_t> play(epic::Ref<Player> player, std::vector<epic::Ref<Barrel>> barrels);

  /// Shoots at all of these barrels at the next tick, and returns how many have exploded. A player who shoots twice
  /// before a tick has changed the aim. Throws if no round is on.
  epic::Task<std::int64_t> shoot(epic::Ref<Player> player, std::vector<epic::Ref<Barrel>> barrels);

  /// 20 times a second, while a round is on.
  epic::Task<void> tick();
  /// The time is up, whatever has crashed since the round began.
  epic::Task<void> end();

  epic::Task<std::optional<std::int64_t>> get_result() const;
  /// How often a crash has cut the match short.
  epic::Task<std::int32_t> get_rounds_lost() const;

  EPIC_ENTITY(Match, state(result, played_by, is_on, rounds_lost), exclusive(play),
              methods(shoot, tick, end, get_result, get_rounds_lost))

 private:
  epic::Task<std::int64_t> play_round(epic::Ref<Player> player, std::vector<epic::Ref<Barrel>> barrels);
  static epic::Task<void> fire(std::shared_ptr<Shot> shot);
};

#pragma once
// Barrel: a cylinder with opinions. It takes one to three hits, depending on the last digit of its number.

#include <cstdint>
#include <epic/epic.hpp>
#include <string>

class Player;

class Barrel : public epic::Entity {
  std::string team = "Society for the prevention of cruelty to barrels";
  std::int32_t hits = 0;
  epic::Ref<Player> slayer;  // who made it explode; empty until then

 public:
  /// True if `shooter` made it explode. Asking again gives the same answer, so an interrupted game can be played again
  /// from the start.
  epic::Task<bool> on_hit(epic::Ref<Player> shooter);

  /// The number of hits that it still takes.
  epic::Task<std::int32_t> get_armour() const;

  EPIC_ENTITY(Barrel, state(team, hits, slayer), methods(on_hit, get_armour))

 private:
  std::int32_t armour() const;
};

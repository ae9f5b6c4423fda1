#include "barrel.hpp"

#include <algorithm>

#include "player.hpp"

std::int32_t Barrel::armour() const {
  const std::int32_t last_digit = key().empty() ? 0 : key().back() - '0';
  return std::max(1 + last_digit % 3 - hits, 0);
}

epic::Task<bool> Barrel::on_hit(epic::Ref<Player> shooter) {
  if (slayer) co_return slayer == shooter;

  ++hits;
  if (armour() > 0) {
    epic::log::info("What, did you expect me to explode?");
    co_return false;
  }
  slayer = shooter;
  co_return true;
}

epic::Task<std::int32_t> Barrel::get_armour() const { co_return armour(); }

#include "match.hpp"

epic::Task<std::int64_t> Match::play(epic::Ref<Player> player, std::vector<epic::Ref<Barrel>> barrels) {
  if (!result) result = co_await player->enter_level(std::string(key()), std::move(barrels));
  co_return *result;
}

epic::Task<std::optional<std::int64_t>> Match::get_result() const { co_return result; }

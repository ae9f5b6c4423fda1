#include "user.hpp"

#include <fmt/core.h>

#include <stdexcept>
#include <utility>

#include "presence.hpp"

namespace {

bool is_wall(const epic::Ref<Room>& room) { return room.key().starts_with('@'); }

}  // namespace

epic::Ref<Room> wall_of(const epic::Ref<User>& user) { return epic::Ref<Room>("@" + std::string(user.key())); }

epic::Task<bool> User::join(epic::Ref<Room> room) { co_return enter(room); }

epic::Task<bool> User::leave(epic::Ref<Room> room) { co_return quit(room); }

epic::Task<void> User::say(epic::Ref<Room> room, std::string text) {
  if (is_wall(room)) throw std::invalid_argument(fmt::format("only its owner posts in {}", room.name()));
  if (!rooms.contains(room)) throw std::logic_error(fmt::format("{} is not in {}", self().name(), room.name()));
  send(room, std::move(text));
  co_return;
}

epic::Task<bool> User::follow(epic::Ref<User> user) { co_return enter(wall_of(user)); }

epic::Task<bool> User::unfollow(epic::Ref<User> user) { co_return quit(wall_of(user)); }

epic::Task<void> User::post(std::string text) {
  send(wall_of(self()), std::move(text));
  co_return;
}

epic::Task<std::vector<epic::Ref<Room>>> User::get_rooms() const {
  co_return std::vector<epic::Ref<Room>>(rooms.begin(), rooms.end());
}

epic::Task<std::vector<epic::Ref<User>>> User::get_online() const {
  std::vector<epic::Ref<User>> users;
  std::vector<epic::Call<Status>> calls;  // at most kRoomsMax
  for (const auto& room : rooms) {
    if (!is_wall(room)) continue;
    const std::string_view name = room.key().substr(1);
    users.emplace_back(name);
    calls.push_back(epic::Ref<Presence>(name)->get_status());
  }
  const std::vector<Status> statuses = co_await epic::gather(std::move(calls));
  std::vector<epic::Ref<User>> online;
  for (std::size_t i = 0; i < users.size(); ++i)
    if (statuses[i] == Status::online) online.push_back(users[i]);
  co_return online;
}

bool User::enter(const epic::Ref<Room>& room) {
  if (room == wall_of(self())) throw std::invalid_argument(fmt::format("{} cannot follow itself", self().name()));
  if (rooms.contains(room)) return false;
  if (rooms.size() == kRoomsMax)
    throw std::runtime_error(fmt::format("{} is in {} rooms, and that is the limit", self().name(), kRoomsMax));
  rooms.insert(room);
  epic::deliver(room->admit(epic::Ref<Feed>(key())));
  return true;
}

bool User::quit(const epic::Ref<Room>& room) {
  if (rooms.erase(room) == 0) return false;
  epic::deliver(room->dismiss(epic::Ref<Feed>(key())));
  return true;
}

void User::send(const epic::Ref<Room>& room, std::string text) {
  if (text.empty() || text.size() > kTextBytesMax)
    throw std::invalid_argument(fmt::format("a post has 1 to {} bytes, not {}", kTextBytesMax, text.size()));
  epic::deliver(room->post(self(), std::move(text)));
}

#pragma once
// Rooms and their guests, each in its own shards (hotel_apart.cpp) or together by their tags (hotel_together.cpp).

#include <unistd.h>
#include <epic/epic.hpp>
#include <string>
#include <vector>

namespace hotel {

class Room : public epic::Entity {
  std::vector<std::string> guests;

 public:
  epic::Task<std::int64_t> check_in(std::string guest) {
    guests.push_back(std::move(guest));
    co_return static_cast<std::int64_t>(guests.size());
  }
  epic::Task<std::vector<std::string>> list_guests() const { co_return guests; }
  epic::Task<std::int64_t> process() const { co_return ::getpid(); }
  EPIC_ENTITY(Room, state(guests), methods(check_in, list_guests, process))
};

class Guest : public epic::Entity {
  std::int64_t visits = 0;

 public:
  /// Goes to the room, and leaves it a message as well.
  epic::Task<std::int64_t> visit(epic::Ref<Room> room) {
    ++visits;
    epic::deliver(room->check_in("mail of " + std::string(key())));
    co_return co_await room->check_in(std::string(key()));
  }
  epic::Task<std::int64_t> visit_count() const { co_return visits; }
  epic::Task<std::int64_t> process() const { co_return ::getpid(); }
#ifdef HOTEL_TOGETHER
  EPIC_ENTITY(Guest, state(visits), methods(visit, visit_count, process), together(Room))
#else
  EPIC_ENTITY(Guest, state(visits), methods(visit, visit_count, process))
#endif
};

}  // namespace hotel

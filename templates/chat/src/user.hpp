#pragma once
// User: is in rooms, says things there, and follows other users.
//
// What a user does changes its own state and sends a message, in one commit. So a call that is repeated with an
// idempotency key says a thing once, whatever crashes between the caller and the last of the readers.

#include <cstdint>
#include <epic/epic.hpp>
#include <set>
#include <string>
#include <vector>

#include "room.hpp"

class User : public epic::Entity {
  std::set<epic::Ref<Room>> rooms;  // also those of the users it follows

 public:
  static constexpr std::size_t kRoomsMax = 200;
  static constexpr std::size_t kTextBytesMax = 2'000;

  /// False: it is in already. What is said there from the moment on at which the room has the message arrives in the
  /// user's feed. Throws if it is in too many.
  epic::Task<bool> join(epic::Ref<Room> room);
  /// False: it was not in. What is on its way still arrives.
  epic::Task<bool> leave(epic::Ref<Room> room);
  /// Throws if the user is not in the room, or it is another user's own.
  epic::Task<void> say(epic::Ref<Room> room, std::string text);

  epic::Task<bool> follow(epic::Ref<User> user);
  epic::Task<bool> unfollow(epic::Ref<User> user);
  /// To the user's followers.
  epic::Task<void> post(std::string text);

  epic::Task<std::vector<epic::Ref<Room>>> get_rooms() const;
  /// Those of the users it follows who are known to be there.
  epic::Task<std::vector<epic::Ref<User>>> get_online() const;

  EPIC_ENTITY(User, state(rooms), methods(join, leave, say, follow, unfollow, post, get_rooms, get_online))

 private:
  bool enter(const epic::Ref<Room>& room);
  bool quit(const epic::Ref<Room>& room);
  void send(const epic::Ref<Room>& room, std::string text);
};

/// Where this user posts: its followers are in it.
epic::Ref<Room> wall_of(const epic::Ref<User>& user);

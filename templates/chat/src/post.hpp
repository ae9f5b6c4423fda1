#pragma once
// Post: what was said, as it is kept in histories and feeds.

#include <boost/describe/class.hpp>
#include <chrono>
#include <cstdint>
#include <epic/epic.hpp>
#include <string>

class Room;
class User;

struct Post {
  epic::Ref<Room> room;
  std::int64_t number = 0;  // in its room, from 1
  epic::Ref<User> from;     // empty: the room itself
  std::chrono::system_clock::time_point at;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Post, (), (room, number, from, at, text))

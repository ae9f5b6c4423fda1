#pragma once
// Party: the demonstration. Twelve guests talk in two rooms, while you kill their nodes. Delete it when you build
// your own: nothing else refers to it.
//
// It speaks by a reminder, which is saved: it survives the crash of its node, and goes on.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <epic/epic.hpp>
#include <vector>

#include "room.hpp"
#include "user.hpp"

/// What was said, and what has arrived of it. Every guest is in every room from the beginning.
struct Count {
  std::int64_t left = 0;       // to be said
  std::int64_t posts = 0;      // that the rooms have
  std::int64_t received = 0;   // by all guests together
  std::int64_t under_way = 0;  // has not arrived yet; negative: something arrived twice
  bool is_right = false;       // nobody has received more than was said
};
BOOST_DESCRIBE_STRUCT(Count, (), (left, posts, received, under_way, is_right))

class Party : public epic::Entity {
  std::int64_t left = 0;
  std::int64_t asked = 0;  // guests, to say something

 public:
  static std::vector<epic::Ref<User>> guests();
  static std::vector<epic::Ref<Room>> rooms();

  /// Has `posts` still to be said, five a second, however many were left.
  epic::Task<void> go_on(std::int64_t posts);
  /// A reminder: somebody says something.
  epic::Task<void> speak();

  epic::Task<Count> count() const;

  EPIC_ENTITY(Party, state(left, asked), methods(go_on, speak, count))
};

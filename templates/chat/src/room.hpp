#pragma once
// Room: numbers what is said in it, keeps it, and passes it on to everybody who is in.
//
// A post is saved in the same commit as the messages that carry it on, so no crash comes between. The latest posts are
// in the room's own state. Older ones are in pages of a fixed size, which are written once: so no row grows without
// bound, and what a post costs does not depend on how long the room has existed.
//
// A user's followers are the members of the room that is called after the user: Room/@ann is where User/ann posts.

#include <boost/describe/class.hpp>
#include <chrono>
#include <cstdint>
#include <epic/epic.hpp>
#include <string>
#include <vector>

#include "feed.hpp"
#include "page.hpp"
#include "post.hpp"

struct RoomSummary {
  std::int64_t members = 0;
  std::int64_t posts = 0;  // ever
};
BOOST_DESCRIBE_STRUCT(RoomSummary, (), (members, posts))

class Room : public epic::Entity {
  std::int64_t members = 0;
  std::int64_t posts = 0;
  std::int64_t in_digests = 0;  // of these
  std::vector<Post> recent;     // oldest first; older ones are in pages

 public:
  static constexpr std::int32_t kHistoryMax = 500;  // posts that are read at once

  // Messages of a user, who knows which rooms it is in, to be sent in turn.
  epic::Task<void> admit(epic::Ref<Feed> feed);
  epic::Task<void> dismiss(epic::Ref<Feed> feed);
  epic::Task<void> post(epic::Ref<User> from, std::string text);

  /// Once a day, by a reminder, while there are members: says how much was said.
  epic::Task<void> post_digest();

  /// The latest `count`, oldest first.
  epic::Task<std::vector<Post>> get_history(std::int32_t count) const;
  epic::Task<RoomSummary> get_summary() const;

  EPIC_ENTITY(Room, state(members, posts, in_digests, recent),
              methods(admit, dismiss, post, post_digest, get_history, get_summary))

 private:
  void keep_and_pass_on(epic::Ref<User> from, std::string text);
  epic::Ref<Page> page(std::int64_t number) const;
};

#pragma once
// Feed: the latest posts from everything that its user reads. Feed/ann is User/ann's.
//
// It saves only what changes seldom: the rooms that its user is in, and how far they are read. The posts themselves are
// saved once, in their rooms. A feed that comes into memory reads them there when somebody asks for them, and from then
// on its rooms' crowds call it with each new one. Rooms number their posts, so it sees which it has already, and
// whether it has missed one: then it reads the room again. So it shows each post once, whatever is lost on the way or
// comes twice.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <epic/epic.hpp>
#include <map>
#include <vector>

#include "post.hpp"

/// Numbers of posts of a room.
struct Bookmark {
  std::int64_t begin = 0;  // the last one before the user came in
  std::int64_t read = 0;   // the last one that is read
};
BOOST_DESCRIBE_STRUCT(Bookmark, (), (begin, read))

class Feed : public epic::Entity {
  std::map<epic::Ref<Room>, Bookmark> rooms;

  struct Progress {
    std::int64_t here = -1;   // everything up to this post is here; -1: nothing
    std::int64_t known = -1;  // the feed has heard of this post
  };
  mutable std::vector<Post> posts_;  // oldest first
  mutable std::map<epic::Ref<Room>, Progress> progress_;

 public:
  static constexpr std::size_t kPostsMax = 50;  // older ones are in their rooms' histories

  // Messages of a room: its user is in, and gets the posts after number `begin`; is not in any longer.
  epic::Task<void> enter(epic::Ref<Room> room, std::int64_t begin);
  epic::Task<void> quit(epic::Ref<Room> room);

  /// The end of a post's way. Const: it saves nothing.
  epic::Task<void> receive(std::vector<Post> posts) const;

  /// Everything received until now is read.
  epic::Task<void> mark_read();
  /// The latest `count`, oldest first.
  epic::Task<std::vector<Post>> get_posts(std::int32_t count) const;
  epic::Task<std::int64_t> get_unread() const;

  EPIC_ENTITY(Feed, state(rooms), methods(enter, quit, receive, mark_read, get_posts, get_unread))

 private:
  epic::Task<> catch_up() const;
  void take(const epic::Ref<Room>& room, const std::vector<Post>& history) const;
  void insert(Post post) const;
};

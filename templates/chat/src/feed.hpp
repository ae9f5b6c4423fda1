#pragma once
// Feed: the latest posts from everything that its user reads. Feed/ann is User/ann's, and apart from it because it
// changes with each post: a user's own row is written only when the user does something.

#include <cstdint>
#include <epic/epic.hpp>
#include <vector>

#include "post.hpp"

class Feed : public epic::Entity {
  std::vector<Post> posts;  // oldest first
  std::int64_t received = 0;
  std::int64_t read = 0;

 public:
  static constexpr std::size_t kPostsMax = 50;  // older ones are in their rooms' histories

  /// The end of a post's way, to be sent as a message.
  epic::Task<void> receive(Post post);
  /// Everything received until now is read.
  epic::Task<void> mark_read();

  /// The latest `count`, oldest first.
  epic::Task<std::vector<Post>> get_posts(std::int32_t count) const;
  /// How many it has ever received.
  epic::Task<std::int64_t> get_received() const;
  epic::Task<std::int64_t> get_unread() const;

  EPIC_ENTITY(Feed, state(posts, received, read), methods(receive, mark_read, get_posts, get_received, get_unread))
};

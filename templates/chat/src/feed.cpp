#include "feed.hpp"

#include <algorithm>

#include "room.hpp"

epic::Task<void> Feed::receive(Post post) {
  ++received;
  // Rooms do not wait for each other, so posts arrive roughly, not exactly, in the order of their times.
  const auto place = std::ranges::upper_bound(posts, post.at, {}, &Post::at);
  posts.insert(place, std::move(post));
  if (posts.size() > kPostsMax) posts.erase(posts.begin());
  co_return;
}

epic::Task<void> Feed::mark_read() {
  read = received;
  co_return;
}

epic::Task<std::vector<Post>> Feed::get_posts(std::int32_t count) const {
  const auto size = static_cast<std::int32_t>(posts.size());
  co_return std::vector<Post>(posts.end() - std::clamp(count, 0, size), posts.end());
}

epic::Task<std::int64_t> Feed::get_received() const { co_return received; }

epic::Task<std::int64_t> Feed::get_unread() const { co_return received - read; }

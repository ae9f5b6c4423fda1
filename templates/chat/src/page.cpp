#include "page.hpp"

#include <utility>

#include "room.hpp"

epic::Task<void> Page::fill(std::vector<Post> all) {
  posts = std::move(all);
  filled_.set();
  co_return;
}

epic::Task<std::vector<Post>> Page::get_posts() const {
  if (posts.empty()) co_await filled_.wait();
  co_return posts;
}

#pragma once
// Page: a part of a room's history that changes no more. Page/lobby-0 has the first kPosts posts of Room/lobby.

#include <epic/epic.hpp>
#include <vector>

#include "post.hpp"

class Page : public epic::Entity {
  std::vector<Post> posts;
  mutable epic::Event filled_;

 public:
  static constexpr std::size_t kPosts = 20;

  /// The room's message, once it has so many that it need not keep these.
  epic::Task<void> fill(std::vector<Post> all);
  /// Waits for that message if it is still under way.
  epic::Task<std::vector<Post>> get_posts() const;

  EPIC_ENTITY(Page, state(posts), methods(fill, get_posts))
};

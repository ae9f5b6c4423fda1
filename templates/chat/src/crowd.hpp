#pragma once
// Crowd: everybody in a room, be it ten or a hundred thousand, and the way of a post to each of them.
//
// One row that lists all members would grow without bound, and one entity that writes to all of them would be busy with
// nothing else. So a crowd is a tree: an entity lists up to kMembersMax members. When there are more it splits: sixteen
// branches take its members over, by a hash of their names, and it passes on to them whatever comes.
//
// All of it is messages, and those of one sender to one receiver begin in their order. So a member who was added before
// a post is there when the post comes by, through any number of splits: it gets this post and all later ones, each
// once.
//
// Crowd/Room/lobby: is the root of Room/lobby's, Crowd/Room/lobby:3 a branch of it, Crowd/Room/lobby:3a one of that.

#include <cstdint>
#include <epic/epic.hpp>
#include <set>
#include <string_view>
#include <vector>

#include "feed.hpp"
#include "post.hpp"

class Crowd : public epic::Entity {
  std::set<epic::Ref<Feed>> members;  // empty once it has split
  std::set<std::uint8_t> branches;    // that have ever had a member; empty until it splits

 public:
  static constexpr std::size_t kMembersMax = 100;  // so many messages a commit when a post comes by

  /// The root of a room's crowd.
  static epic::Ref<Crowd> of(const epic::Ref<Room>& room);

  // Messages, from the room to the root and from there on. Adding a member again changes nothing.
  epic::Task<void> add(std::vector<epic::Ref<Feed>> feeds);
  epic::Task<void> remove(epic::Ref<Feed> feed);
  epic::Task<void> pass_on(Post post);

  EPIC_ENTITY(Crowd, state(members, branches), methods(add, remove, pass_on))

 private:
  std::uint8_t branch_of(const epic::Ref<Feed>& feed) const;
  epic::Ref<Crowd> branch(std::uint8_t digit) const;
  std::string_view digits() const;
};

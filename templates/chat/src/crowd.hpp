#pragma once
// Crowd: everybody in a room, be it ten or a hundred thousand, and the way of a post to each of them.
//
// One row that lists all members would grow without bound, and one entity that calls all of them would be busy with
// nothing else. So a crowd is a tree: an entity lists up to kMembersMax members. When there are more it splits: sixteen
// branches take its members over, by a hash of their names, and it passes on to them whatever comes.
//
// From the room through the tree all of it is messages, and those of one sender to one receiver begin in their order:
// a member who was added before a post is there when the post comes by, through any number of splits. The members
// themselves are called, by epic::broadcast, and nothing is saved for that. A call may fail, and a crash may come
// between: then a reminder makes the crowd pass on the latest post once more. Feeds see by its number what they have
// missed.
//
// Crowd/lobby: is the root of Room/lobby's, Crowd/lobby:3 a branch of it, Crowd/lobby:3a one of that.

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

  std::vector<Post> waiting_;  // to be handed out
  bool is_handing_out_ = false;
  bool is_behind_ = true;  // somebody may have missed something; after a crash nobody knows
  bool has_reminder_ = false;

 public:
  static constexpr std::size_t kMembersMax = 500;
  static constexpr std::size_t kWaitingMax = 100;  // what is dropped beyond that, feeds read in the room

  /// The root of a room's crowd.
  static epic::Ref<Crowd> of(const epic::Ref<Room>& room);

  // Messages, from the room to the root and from there on. Adding a member again changes nothing.
  epic::Task<void> add(std::vector<epic::Ref<Feed>> feeds);
  epic::Task<void> remove(epic::Ref<Feed> feed);
  epic::Task<void> pass_on(Post post);

  /// A reminder while something is handed out: catches up if it is behind.
  epic::Task<void> look_after();

  EPIC_ENTITY(Crowd, state(members, branches), methods(add, remove, pass_on, look_after))

 private:
  void start_handing_out();
  epic::Task<> hand_out();
  std::uint8_t branch_of(const epic::Ref<Feed>& feed) const;
  epic::Ref<Crowd> branch(std::uint8_t digit) const;
  epic::Ref<Room> room() const;
  std::string_view digits() const;
};

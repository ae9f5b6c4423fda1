#pragma once
// UndoneChanges: the refused changes of which no caller has heard yet.
//
// A state that cannot be saved is undone, and the calls that changed it get the error. Sometimes there are none: a
// class with an interval has acknowledged the change before, and the change of a hook or of a spawned task has no
// caller. Then the next call to the entity is refused with that error, once, and the one after it finds the last saved
// state.
//
// Invariant: bounded; the oldest note is dropped first. Notes do not move with a shard and do not outlive the node. The
// log and the trail have every one.
// Not here:  undoing the change (leaving.cpp).

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/ids.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

class UndoneChanges {
 public:
  void note(std::string_view entity, ShardId shard, std::string why) {
    static_cast<void>(take(entity));
    if (notes_.size() == limits::kUndoneChangesMax) notes_.pop_front();
    notes_.push_back({std::string(entity), shard, std::move(why)});
  }
  /// Returns what was undone, to the first caller that asks.
  [[nodiscard]] std::optional<std::string> take(std::string_view entity) {
    const auto found = std::ranges::find(notes_, entity, &Note::entity);
    if (found == notes_.end()) return {};
    std::string why = std::move(found->why);
    notes_.erase(found);
    return why;
  }
  /// Another node has the shard: what happens to its entities is no longer known here.
  void forget(ShardId shard) {
    std::erase_if(notes_, [shard](const Note& note) { return note.shard == shard; });
  }

 private:
  struct Note {
    std::string entity;
    ShardId shard;
    std::string why;
  };
  std::deque<Note> notes_;
};

}  // namespace epic::kernel

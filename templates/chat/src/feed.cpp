#include "feed.hpp"

#include <algorithm>
#include <utility>

#include "room.hpp"

epic::Task<void> Feed::enter(epic::Ref<Room> room, std::int64_t begin) {
  rooms.insert_or_assign(std::move(room), Bookmark{.begin = begin, .read = begin});
  co_return;
}

epic::Task<void> Feed::quit(epic::Ref<Room> room) {
  rooms.erase(room);
  progress_.erase(room);
  std::erase_if(posts_, [&](const Post& post) { return post.room == room; });
  co_return;
}

epic::Task<void> Feed::receive(std::vector<Post> posts) const {
  for (Post& post : posts) {
    if (!rooms.contains(post.room)) continue;  // it has just left, or the room's message is still under way
    Progress& progress = progress_[post.room];
    progress.known = std::max(progress.known, post.number);
    if (progress.here != post.number - 1) continue;  // it has it already, or will read the room
    progress.here = post.number;
    insert(std::move(post));
  }
  co_return;
}

epic::Task<void> Feed::mark_read() {
  co_await catch_up();
  for (auto& [room, bookmark] : rooms) bookmark.read = std::max(bookmark.read, progress_[room].here);
}

epic::Task<std::vector<Post>> Feed::get_posts(std::int32_t count) const {
  co_await catch_up();
  const auto size = static_cast<std::int32_t>(posts_.size());
  co_return std::vector<Post>(posts_.end() - std::clamp(count, 0, size), posts_.end());
}

epic::Task<std::int64_t> Feed::get_unread() const {
  co_await catch_up();
  std::int64_t unread = 0;
  for (const auto& [room, bookmark] : rooms) unread += std::max<std::int64_t>(progress_[room].here - bookmark.read, 0);
  co_return unread;
}

// Reads the rooms of which something is missing.
epic::Task<> Feed::catch_up() const {
  std::vector<epic::Ref<Room>> behind;
  std::vector<epic::Call<std::vector<Post>>> calls;  // at most User::kRoomsMax
  for (const auto& [room, bookmark] : rooms) {
    const Progress& progress = progress_[room];
    if (progress.here >= std::max(progress.known, bookmark.begin)) continue;
    behind.push_back(room);
    calls.push_back(room->get_history(kPostsMax));
  }
  const std::vector<std::vector<Post>> histories = co_await epic::gather(std::move(calls));
  for (std::size_t i = 0; i < behind.size(); ++i) take(behind[i], histories[i]);
}

void Feed::take(const epic::Ref<Room>& room, const std::vector<Post>& history) const {
  const auto found = rooms.find(room);
  if (found == rooms.end()) return;  // its user has left meanwhile
  Progress& progress = progress_[room];
  for (const Post& post : history)
    if (post.number > std::max(progress.here, found->second.begin)) insert(post);
  progress.here = std::max(progress.here, history.empty() ? 0 : history.back().number);
}

// Rooms do not wait for each other, so posts arrive roughly, not exactly, in the order of their times.
void Feed::insert(Post post) const {
  const auto place = std::ranges::upper_bound(posts_, post.at, {}, &Post::at);
  posts_.insert(place, std::move(post));
  if (posts_.size() > kPostsMax) posts_.erase(posts_.begin());
}

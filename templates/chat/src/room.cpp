#include "room.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "crowd.hpp"
#include "user.hpp"

using namespace std::chrono_literals;

namespace {
constexpr std::chrono::sys_seconds kFirstDigest = std::chrono::sys_days(std::chrono::year(2020) / 1 / 1) + 8h;
constexpr std::ptrdiff_t kPagePosts = Page::kPosts;
}  // namespace

epic::Task<void> Room::admit(epic::Ref<Feed> feed) {
  if (++members == 1) epic::remind("digest", kFirstDigest, 24h, &Room::post_digest);
  epic::deliver(feed->enter(self(), posts));
  epic::deliver(Crowd::of(self())->add({feed}));
  co_return;
}

epic::Task<void> Room::dismiss(epic::Ref<Feed> feed) {
  if (--members == 0) epic::forget("digest");
  epic::deliver(feed->quit(self()));
  epic::deliver(Crowd::of(self())->remove(feed));
  co_return;
}

epic::Task<void> Room::post(epic::Ref<User> from, std::string text) {
  keep_and_pass_on(std::move(from), std::move(text));
  co_return;
}

epic::Task<void> Room::post_digest() {
  const std::int64_t said = posts - in_digests;
  if (said == 0) co_return;
  keep_and_pass_on({}, fmt::format("{} post{} since the last digest", said, said == 1 ? "" : "s"));
  in_digests = posts;
}

epic::Task<std::vector<Post>> Room::get_history(std::int32_t count) const {
  const std::size_t wanted = std::clamp(count, 0, kHistoryMax);
  std::int64_t pages = (posts - std::ssize(recent)) / kPagePosts;
  std::vector<Post> history = recent;  // a copy: more may be said while pages are read
  while (history.size() < wanted && pages > 0) {
    const std::vector<Post> older = co_await page(--pages)->get_posts();
    history.insert(history.begin(), older.begin(), older.end());
  }
  if (history.size() > wanted) history.erase(history.begin(), history.end() - static_cast<std::ptrdiff_t>(wanted));
  co_return history;
}

epic::Task<RoomSummary> Room::get_summary() const { co_return RoomSummary{.members = members, .posts = posts}; }

void Room::keep_and_pass_on(epic::Ref<User> from, std::string text) {
  auto at = epic::now();
  if (!recent.empty()) at = std::max(at, recent.back().at);  // clocks may be set back, and those of nodes differ
  recent.push_back({.room = self(), .number = ++posts, .from = std::move(from), .at = at, .text = std::move(text)});
  epic::deliver(Crowd::of(self())->pass_on(recent.back()));

  if (std::ssize(recent) == 2 * kPagePosts) {
    const auto rest = recent.begin() + kPagePosts;
    epic::deliver(page(posts / kPagePosts - 2)->fill({recent.begin(), rest}));
    recent.erase(recent.begin(), rest);
  }
}

epic::Ref<Page> Room::page(std::int64_t number) const { return epic::Ref<Page>(fmt::format("{}-{}", key(), number)); }

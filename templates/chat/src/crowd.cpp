#include "crowd.hpp"

#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "room.hpp"

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kDigits = 16;  // of a hash: no branch is deeper
constexpr auto kPatience = 5s;       // with a member
constexpr auto kLookAfterEvery = 5s;

// FNV-1a. Not std::hash, which may be another one in the next build: members are found where they were put.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

epic::Ref<Crowd> Crowd::of(const epic::Ref<Room>& room) { return epic::Ref<Crowd>(std::string(room.key()) + ":"); }

epic::Task<void> Crowd::add(std::vector<epic::Ref<Feed>> feeds) {
  if (branches.empty()) {
    members.insert(feeds.begin(), feeds.end());
    if (members.size() <= kMembersMax || digits().size() == kDigits) co_return;
    feeds.assign(members.begin(), members.end());
    members.clear();
    is_behind_ = is_behind_ || is_handing_out_;  // the branches get the latest post once more
  }
  std::map<std::uint8_t, std::vector<epic::Ref<Feed>>> groups;
  for (auto& feed : feeds) groups[branch_of(feed)].push_back(std::move(feed));
  for (auto& [digit, group] : groups) {
    branches.insert(digit);
    epic::deliver(branch(digit)->add(std::move(group)));
  }
}

epic::Task<void> Crowd::remove(epic::Ref<Feed> feed) {
  if (branches.empty())
    members.erase(feed);
  else if (const std::uint8_t digit = branch_of(feed); branches.contains(digit))
    epic::deliver(branch(digit)->remove(feed));
  co_return;
}

epic::Task<void> Crowd::pass_on(Post post) {
  for (const std::uint8_t digit : branches) epic::deliver(branch(digit)->pass_on(post));
  if (members.empty()) co_return;
  if (waiting_.size() == kWaitingMax) waiting_.clear();
  waiting_.push_back(std::move(post));
  if (!std::exchange(has_reminder_, true))
    epic::remind("look after", kLookAfterEvery, kLookAfterEvery, &Crowd::look_after);
  start_handing_out();
}

epic::Task<void> Crowd::look_after() {
  if (is_behind_) {
    start_handing_out();
  } else if (!is_handing_out_) {
    epic::forget("look after");
    has_reminder_ = false;
  }
  co_return;
}

void Crowd::start_handing_out() {
  if (!std::exchange(is_handing_out_, true)) epic::spawn(hand_out());
}

// The one place where a post becomes many.
epic::Task<> Crowd::hand_out() {
  try {
    if (waiting_.empty()) {  // to catch up
      const std::vector<Post> latest = co_await room()->get_history(1);
      for (const Post& post : latest)
        for (const std::uint8_t digit : branches) epic::deliver(branch(digit)->pass_on(post));
      waiting_.insert(waiting_.begin(), latest.begin(), latest.end());
      is_behind_ = false;
    }
    while (!waiting_.empty()) {
      const std::vector<Post> posts = std::exchange(waiting_, {});
      is_behind_ = false;
      const epic::BroadcastResult result = co_await epic::broadcast(members, &Feed::receive, posts).with(kPatience);
      if (result.failed > 0) is_behind_ = true;
    }
    is_handing_out_ = false;
  } catch (...) {
    is_handing_out_ = false;
    is_behind_ = true;
    throw;
  }
}

std::uint8_t Crowd::branch_of(const epic::Ref<Feed>& feed) const {
  return hash_of(feed.key()) >> (4 * digits().size()) & 0xf;
}

epic::Ref<Crowd> Crowd::branch(std::uint8_t digit) const {
  return epic::Ref<Crowd>(std::string(key()) + "0123456789abcdef"[digit]);
}

// A room's name may contain a colon, too, but what follows the last one is ours: the way from the root to here.
epic::Ref<Room> Crowd::room() const { return epic::Ref<Room>(key().substr(0, key().rfind(':'))); }

std::string_view Crowd::digits() const { return key().substr(key().rfind(':') + 1); }

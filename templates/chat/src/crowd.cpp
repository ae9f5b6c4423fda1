#include "crowd.hpp"

#include <map>
#include <string>

#include "room.hpp"

namespace {

constexpr std::size_t kDigits = 16;  // of a hash: no branch is deeper

// FNV-1a. Not std::hash, which may be another one in the next build: members are found where they were put.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

epic::Ref<Crowd> Crowd::of(const epic::Ref<Room>& room) { return epic::Ref<Crowd>(std::string(room.name()) + ":"); }

epic::Task<void> Crowd::add(std::vector<epic::Ref<Feed>> feeds) {
  if (branches.empty()) {
    members.insert(feeds.begin(), feeds.end());
    if (members.size() <= kMembersMax || digits().size() == kDigits) co_return;
    feeds.assign(members.begin(), members.end());
    members.clear();
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

// The one place where a post becomes many.
epic::Task<void> Crowd::pass_on(Post post) {
  for (const std::uint8_t digit : branches) epic::deliver(branch(digit)->pass_on(post));
  for (const auto& member : members) epic::deliver(member->receive(post));
  co_return;
}

std::uint8_t Crowd::branch_of(const epic::Ref<Feed>& feed) const {
  return hash_of(feed.key()) >> (4 * digits().size()) & 0xf;
}

epic::Ref<Crowd> Crowd::branch(std::uint8_t digit) const {
  return epic::Ref<Crowd>(std::string(key()) + "0123456789abcdef"[digit]);
}

// Of the way from the root to here. A room's name may contain a colon, too, but what follows the last one is ours.
std::string_view Crowd::digits() const { return key().substr(key().rfind(':') + 1); }

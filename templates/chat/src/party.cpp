#include "party.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <numeric>

using namespace std::chrono_literals;

std::vector<epic::Ref<User>> Party::guests() {
  std::vector<epic::Ref<User>> guests;
  for (int guest = 1; guest <= 12; ++guest) guests.emplace_back(fmt::format("guest-{}", guest));
  return guests;
}

std::vector<epic::Ref<Room>> Party::rooms() { return {epic::Ref<Room>("kitchen"), epic::Ref<Room>("balcony")}; }

epic::Task<void> Party::go_on(std::int64_t posts) {
  left = posts;
  if (left > 0) epic::remind("speak", 200ms, 200ms, &Party::speak);
  co_return;
}

epic::Task<void> Party::speak() {
  if (left <= 0) {
    epic::forget("speak");
    co_return;
  }
  --left;
  ++asked;
  const auto all_guests = guests();
  const auto all_rooms = rooms();
  const auto& guest = all_guests[epic::random() % all_guests.size()];
  epic::deliver(guest->say(all_rooms[epic::random() % all_rooms.size()], fmt::format("This is remark {}.", asked)));
}

// Feeds first: what is said meanwhile makes the rooms' numbers larger, not theirs.
epic::Task<Count> Party::count() const {
  Count count{.left = left};
  std::vector<epic::Call<std::int64_t>> feeds;
  for (const auto& guest : guests()) feeds.push_back(epic::Ref<Feed>(guest.key())->get_unread());
  const std::vector<std::int64_t> received = co_await epic::gather(std::move(feeds));
  count.received = std::reduce(received.begin(), received.end());

  count.posts = co_await epic::reduce(
      rooms(), &Room::get_summary, [](std::int64_t sum, const RoomSummary& room) { return sum + room.posts; },
      std::int64_t{0});
  count.under_way = count.posts * std::ssize(received) - count.received;
  count.is_right = std::ranges::max(received) <= count.posts;
  co_return count;
}

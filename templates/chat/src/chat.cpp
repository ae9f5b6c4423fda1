// What the nodes load: the entity classes, and the party that each `epic run` goes on with.

#include <chrono>
#include <epic/epic.hpp>

#include "crowd.hpp"
#include "feed.hpp"
#include "page.hpp"
#include "party.hpp"
#include "presence.hpp"
#include "room.hpp"
#include "user.hpp"

namespace {
constexpr std::int64_t kPosts = 300;  // about a minute
}

// Runs at each `epic run`, and again on another node if its node dies before it returns. Who is in a room does not join
// it again, and `go_on` sets what is left to be said, so it is safe to repeat.
epic::Task<void> setup(epic::Pool pool) {
  using namespace std::chrono_literals;
  const auto guests = Party::guests();
  const auto rooms = Party::rooms();
  std::vector<epic::Call<bool>> entries;
  for (const auto& guest : guests)
    for (const auto& room : rooms) entries.push_back(guest->join(room));
  co_await epic::gather(std::move(entries));

  // They are in once the room has their messages. What is said from then on reaches all of them.
  for (const auto& room : rooms)
    while ((co_await room->get_summary()).members < std::ssize(guests)) co_await epic::sleep(50ms);
  co_await pool.get<Party>("demo")->go_on(kPosts);
  epic::log::info("{} guests talk in {} rooms for a minute.", guests.size(), rooms.size());
}

EPIC_MODULE(setup, User, Room, Page, Crowd, Feed, Presence, Party)

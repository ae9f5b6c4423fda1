// Talk on a simulated fabric whose nodes crash, pause and lose each other. `epic test` runs a few seeds, `epic
// simulate` as many as you like.

#include <fmt/core.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <epic/sim.hpp>
#include <map>
#include <string>

#include "crowd.hpp"
#include "party.hpp"
#include "user.hpp"

using epic::sim::Fabric;
using namespace std::chrono_literals;

namespace {

constexpr int kSpeakers = 3;
constexpr int kLateComers = 120;
constexpr int kSilent = 400;  // feeds that nobody reads, so that the crowd splits while posts come by
constexpr int kSayings = 8;   // of each speaker

// Repeated until it has succeeded: the key makes it count once.
epic::Task<> say(Fabric& fabric, int speaker, std::string text) {
  const auto user = fabric.get<User>(speaker);
  co_await fabric.insist([&] { return user->say(fabric.get<Room>("hall"), text); }, {.idempotency_key = text});
}

epic::Task<> talk(Fabric& fabric, int speaker) {
  for (int saying = 0; saying < kSayings; ++saying) {
    co_await fabric.sleep(std::chrono::milliseconds(fabric.draw(800)));
    co_await say(fabric, speaker, fmt::format("{}: remark {}", speaker, saying));
  }
}

epic::Task<std::vector<Post>> read_feed(Fabric& fabric, int user) {
  const auto feed = fabric.get<Feed>(user);
  co_return co_await fabric.insist([&] { return feed->get_posts(Feed::kPostsMax); });
}

// From its first reading on, a feed relies on being called.
epic::Task<> enter(Fabric& fabric, int first, int last) {
  for (int user = first; user <= last; ++user) {
    const auto late_comer = fabric.get<User>(user);
    co_await fabric.insist([&] { return late_comer->join(fabric.get<Room>("hall")); });
    co_await read_feed(fabric, user);
  }
}

epic::Task<> add_silent_feeds(Fabric& fabric) {
  std::vector<epic::Ref<Feed>> feeds;
  for (int feed = 0; feed < kSilent; ++feed) feeds.emplace_back(fmt::format("silent-{}", feed));
  const auto crowd = Crowd::of(fabric.get<Room>("hall"));
  co_await fabric.insist([&] { return crowd->add(feeds); });
}

epic::Task<RoomSummary> ask_room(Fabric& fabric) {
  const auto hall = fabric.get<Room>("hall");
  co_return co_await fabric.insist([&] { return hall->get_summary(); });
}

epic::Task<> wait_for(Fabric& fabric, std::int64_t members, std::int64_t posts) {
  RoomSummary summary = co_await ask_room(fabric);
  for (int i = 0; i < 600 && (summary.members < members || summary.posts < posts); ++i) {
    co_await fabric.sleep(100ms);
    summary = co_await ask_room(fabric);
  }
  const auto hall = fabric.get<Room>("hall");
  fabric.require(hall, summary.members == members, "{} members, not {}", summary.members, members);
  fabric.require(hall, summary.posts == posts, "{} posts, not {}", summary.posts, posts);
}

}  // namespace

EPIC_SCENARIO("chat: everybody gets every post once, from the first after the entry on, whatever fails",
              {.nodes = 4, .fault_every = std::chrono::milliseconds(500)}) {
  const auto party = fabric.get<Party>("demo");
  co_await fabric.insist([&] { return party->go_on(0); });  // others need not talk meanwhile
  co_await enter(fabric, 1, kSpeakers);
  co_await wait_for(fabric, kSpeakers, 0);
  co_await add_silent_feeds(fabric);
  std::vector<epic::Task<>> parts;
  for (int speaker = 1; speaker <= kSpeakers; ++speaker) parts.push_back(talk(fabric, speaker));
  for (int part = 0; part < 4; ++part)
    parts.push_back(enter(fabric, kSpeakers + 1 + part * kLateComers / 4, kSpeakers + (part + 1) * kLateComers / 4));
  co_await fabric.all(std::move(parts));
  co_await fabric.settle();
  co_await wait_for(fabric, kSpeakers + kLateComers, kSpeakers * kSayings);
  co_await say(fabric, 1, "the last word");

  constexpr std::int64_t kPosts = kSpeakers * kSayings + 1;
  for (int user = 1; user <= kSpeakers + kLateComers; ++user) {
    std::vector<Post> posts;
    for (int i = 0; i < 600 && (posts.empty() || posts.back().text != "the last word"); ++i) {
      if (i > 0) co_await fabric.sleep(100ms);
      posts = co_await read_feed(fabric, user);
    }
    const auto feed = fabric.get<Feed>(user);
    fabric.require(feed, !posts.empty() && posts.back().number == kPosts, "has {} posts, and not the last",
                   posts.size());
    for (std::size_t i = 0; i + 1 < posts.size(); ++i)
      fabric.require(feed, posts[i].number + 1 == posts[i + 1].number, "post {} is followed by {}", posts[i].number,
                     posts[i + 1].number);
    fabric.require(feed, user > kSpeakers || posts.front().number == 1, "begins with post {}", posts.front().number);
  }

  std::map<std::string, int> texts;
  const auto hall = fabric.get<Room>("hall");
  for (const Post& post : co_await fabric.insist([&] { return hall->get_history(Room::kHistoryMax); }))
    ++texts[post.text];
  fabric.require(hall, std::ssize(texts) == kPosts, "{} different posts, not {}", texts.size(), kPosts);
  for (const auto& [text, times] : texts) fabric.require(hall, times == 1, "'{}' was said {} times", text, times);
}

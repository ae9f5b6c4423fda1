#include <fmt/core.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <epic/script.hpp>
#include <epic/testing.hpp>

#include "crowd.hpp"
#include "party.hpp"
#include "presence.hpp"
#include "user.hpp"

using namespace std::chrono_literals;
using epic::testing::calls;
using epic::testing::delivers;
using epic::testing::Node;
using epic::testing::Script;

namespace {

const epic::Ref<Room> kHall("hall");

Post post_of(std::int64_t number, std::chrono::system_clock::duration at = {}) {
  return {.room = kHall,
          .number = number,
          .from = epic::Ref<User>("ann"),
          .at = std::chrono::system_clock::time_point(at),
          .text = fmt::format("post {}", number)};
}

std::vector<std::int64_t> numbers_of(const std::vector<Post>& posts) {
  std::vector<std::int64_t> numbers;
  for (const Post& post : posts) numbers.push_back(post.number);
  return numbers;
}

std::vector<std::int64_t> count_from(std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t number = first; number <= last; ++number) numbers.push_back(number);
  return numbers;
}

std::vector<Post> posts_of(std::int64_t first, std::int64_t last) {
  std::vector<Post> posts;
  for (std::int64_t number = first; number <= last; ++number) posts.push_back(post_of(number));
  return posts;
}

/// Feeds that nobody reads.
std::vector<epic::Ref<Feed>> make_feeds(std::size_t count) {
  std::vector<epic::Ref<Feed>> feeds;
  for (std::size_t feed = 0; feed < count; ++feed) feeds.emplace_back(fmt::format("unread-{}", feed));
  return feeds;
}

std::vector<Post> feed_of(Node& node, std::string_view user) {
  return node.call(node.get<Feed>(user)->get_posts(Feed::kPostsMax));
}

}  // namespace

TEST_CASE("user: what it says is a message to the room, and it has to be in") {
  Script<User> ann("ann");  // alone: no message arrives
  CHECK_THROWS_WITH(ann.call<&User::say>(kHall, "hello").result(), "User/ann is not in Room/hall");

  CHECK(ann.call<&User::join>(kHall).result());
  CHECK(ann.expect(delivers<&Room::admit>("Room/hall")).argument<0>() == epic::Ref<Feed>("ann"));
  CHECK_FALSE(ann.call<&User::join>(kHall).result());
  CHECK_THROWS_WITH(ann.call<&User::say>(kHall, std::string(2'001, 'x')).result(),
                    "a post has 1 to 2000 bytes, not 2001");
  ann.call<&User::say>(kHall, "hello").result();
  CHECK(ann.expect(delivers<&Room::post>("Room/hall")).arguments() == std::tuple{ann.self(), "hello"});

  CHECK(ann.call<&User::leave>(kHall).result());
  ann.expect(delivers<&Room::dismiss>("Room/hall"));
  CHECK_THROWS_AS(ann.call<&User::say>(kHall, "hello").result(), std::logic_error);
}

TEST_CASE("user: follows others, and only they post to their followers") {
  Script<User> ann("ann");
  CHECK(ann.call<&User::follow>(epic::Ref<User>("bob")).result());
  ann.expect(delivers<&Room::admit>("Room/@bob"));
  CHECK_THROWS_WITH(ann.call<&User::say>(epic::Ref<Room>("@bob"), "hello").result(),
                    "only its owner posts in Room/@bob");

  ann.call<&User::post>("hello").result();
  ann.expect(delivers<&Room::post>("Room/@ann"));
  CHECK(ann.state() == R"({"rooms":["Room/@bob"]})");

  CHECK_THROWS_WITH(ann.call<&User::follow>(ann.self()).result(), "User/ann cannot follow itself");
  CHECK(ann.call<&User::unfollow>(epic::Ref<User>("bob")).result());
  ann.expect(delivers<&Room::dismiss>("Room/@bob"));
  CHECK_FALSE(ann.call<&User::unfollow>(epic::Ref<User>("bob")).result());
}

TEST_CASE("room: numbers what is said, and fills a page when it has two pages of posts") {
  Script<Room> hall("hall");
  for (std::int64_t number = 1; number <= 40; ++number) {
    hall.call<&Room::post>(epic::Ref<User>("ann"), fmt::format("post {}", number)).result();
    CHECK(hall.expect(delivers<&Crowd::pass_on>("Crowd/hall:")).argument<0>().number == number);
  }
  const auto page = hall.expect(delivers<&Page::fill>("Page/hall-0"));
  CHECK(numbers_of(page.argument<0>()) == count_from(1, 20));

  CHECK(numbers_of(hall.call<&Room::get_history>(20).result()) == count_from(21, 40));  // without a call
  auto all = hall.call<&Room::get_history>(30);
  hall.expect(calls<&Page::get_posts>("Page/hall-0")).answer(page.argument<0>());
  CHECK(numbers_of(all.result()) == count_from(11, 40));
}

TEST_CASE("page: who reads one that is under way waits for it") {
  Script<Page> page("hall-0");
  auto posts = page.call<&Page::get_posts>();
  CHECK_FALSE(posts.has_ended());

  page.call<&Page::fill>(std::vector{post_of(1)}).result();
  CHECK(numbers_of(posts.result()) == std::vector<std::int64_t>{1});
}

TEST_CASE("room: who comes in gets what is said from then on") {
  Script<Room> hall("hall");
  for (const char* text : {"one", "two"}) {
    hall.call<&Room::post>(epic::Ref<User>("ann"), text).result();
    hall.expect(delivers<&Crowd::pass_on>("Crowd/hall:"));
  }
  hall.call<&Room::admit>(epic::Ref<Feed>("bob")).result();
  CHECK(hall.expect(delivers<&Feed::enter>("Feed/bob")).arguments() == std::tuple{kHall, 2});
  hall.expect(delivers<&Crowd::add>("Crowd/hall:"));
}

TEST_CASE("crowd: splits when it has too many members, and passes on what comes") {
  Script<Crowd> crowd("hall:");
  const auto feeds = make_feeds(Crowd::kMembersMax + 1);
  crowd.call<&Crowd::add>(feeds).result();

  std::size_t moved = 0;
  for (const char digit : std::string_view("0123456789abcdef"))
    moved += crowd.expect(delivers<&Crowd::add>(fmt::format("Crowd/hall:{}", digit))).argument<0>().size();
  CHECK(moved == feeds.size());

  crowd.call<&Crowd::pass_on>(post_of(1)).result();
  for (const char digit : std::string_view("0123456789abcdef"))
    crowd.expect(delivers<&Crowd::pass_on>(fmt::format("Crowd/hall:{}", digit)));
}

TEST_CASE("crowd: hands out together what has come meanwhile") {
  Script<Crowd> crowd("hall:");
  crowd.call<&Crowd::add>(std::vector{epic::Ref<Feed>("ann")}).result();
  crowd.call<&Crowd::pass_on>(post_of(1)).result();
  const auto first = crowd.expect(calls<&Feed::receive>("Feed/ann"));
  CHECK(numbers_of(first.argument<0>()) == count_from(1, 1));
  for (const std::int64_t number : {2, 3}) crowd.call<&Crowd::pass_on>(post_of(number)).result();
  first.answer();
  CHECK(numbers_of(crowd.expect(calls<&Feed::receive>("Feed/ann")).argument<0>()) == count_from(2, 3));
}

TEST_CASE("crowd: who could not be reached gets the latest post once more") {
  Script<Crowd> crowd("hall:");
  crowd.call<&Crowd::add>(std::vector{epic::Ref<Feed>("ann"), epic::Ref<Feed>("bob")}).result();
  crowd.call<&Crowd::pass_on>(post_of(7)).result();
  crowd.expect(epic::testing::reminds<&Crowd::look_after>("look after", 5s, 5s));
  crowd.expect(calls<&Feed::receive>("Feed/ann")).answer();
  crowd.expect(calls<&Feed::receive>("Feed/bob")).fail(epic::NodeLost("its node has died"));

  crowd.pass(5s);
  crowd.expect(calls<&Room::get_history>("Room/hall")).answer(posts_of(8, 8));
  for (const char* feed : {"Feed/ann", "Feed/bob"}) {
    const auto received = crowd.expect(calls<&Feed::receive>(feed));
    CHECK(numbers_of(received.argument<0>()) == count_from(8, 8));
    received.answer();
  }
  crowd.pass(5s);
  crowd.expect(epic::testing::forgets("look after"));
}

TEST_CASE("feed: shows each post once, whatever comes twice or not at all") {
  Script<Feed> feed("ann");
  feed.call<&Feed::enter>(kHall, 10).result();
  auto posts = feed.call<&Feed::get_posts>(100);
  feed.expect(calls<&Room::get_history>("Room/hall")).answer(posts_of(9, 11));
  CHECK(numbers_of(posts.result()) == count_from(11, 11));

  feed.call<&Feed::receive>(posts_of(12, 12)).result();
  feed.call<&Feed::receive>(posts_of(11, 13)).result();
  CHECK(numbers_of(feed.call<&Feed::get_posts>(100).result()) == count_from(11, 13));  // without a call

  feed.call<&Feed::receive>(posts_of(15, 15)).result();
  auto more = feed.call<&Feed::get_posts>(100);
  feed.expect(calls<&Room::get_history>("Room/hall")).answer(posts_of(10, 15));
  CHECK(numbers_of(more.result()) == count_from(11, 15));
  CHECK(feed.call<&Feed::get_unread>().result() == 5);

  feed.call<&Feed::quit>(kHall).result();
  feed.call<&Feed::receive>(posts_of(16, 16)).result();  // was under way
  CHECK(feed.call<&Feed::get_posts>(100).result().empty());
}

TEST_CASE("feed: sees what comes while it reads") {
  Script<Feed> feed("ann");
  feed.call<&Feed::enter>(kHall, 0).result();
  auto posts = feed.call<&Feed::get_posts>(100);
  const auto history = feed.expect(calls<&Room::get_history>("Room/hall"));
  feed.call<&Feed::receive>(posts_of(3, 3)).result();
  history.answer(posts_of(1, 2));
  CHECK(numbers_of(posts.result()) == count_from(1, 2));

  auto more = feed.call<&Feed::get_posts>(100);
  feed.expect(calls<&Room::get_history>("Room/hall")).answer(posts_of(1, 3));
  CHECK(numbers_of(more.result()) == count_from(1, 3));
}

TEST_CASE("feed: keeps the latest posts, in the order of their times") {
  const epic::Ref<Room> kitchen("kitchen");
  Script<Feed> feed("ann");
  for (const auto& room : {kHall, kitchen}) {
    feed.call<&Feed::enter>(room, 0).result();
    auto posts = feed.call<&Feed::get_posts>(100);
    feed.expect(calls<&Room::get_history>(room.name())).answer(std::vector<Post>{});
    CHECK(posts.result().empty());
  }
  for (std::int64_t number = 1; number <= 60; ++number)
    feed.call<&Feed::receive>(std::vector{post_of(number, number * 1s)}).result();
  Post late = post_of(1, 20s + 500ms);
  late.room = kitchen;
  feed.call<&Feed::receive>(std::vector{late}).result();

  const auto posts = feed.call<&Feed::get_posts>(100).result();
  CHECK(posts.size() == Feed::kPostsMax);
  CHECK(numbers_of(posts).front() == 12);
  CHECK(posts[9].room == kitchen);
  CHECK(numbers_of(feed.call<&Feed::get_posts>(2).result()) == count_from(59, 60));
  CHECK(feed.call<&Feed::get_posts>(-1).result().empty());
  CHECK(feed.call<&Feed::get_unread>().result() == 61);
  feed.call<&Feed::mark_read>().result();
  CHECK(feed.call<&Feed::get_unread>().result() == 0);
}

TEST_CASE("presence: a user who is silent is offline, and after a crash nobody knows") {
  Node node;
  const auto ann = node.get<Presence>("ann");
  node.call(ann->beat());
  CHECK(node.call(ann->get_status()) == Status::online);
  node.pass(29s);
  node.call(ann->beat());
  node.pass(29s);
  CHECK(node.call(ann->get_status()) == Status::online);
  node.pass(1s);
  CHECK(node.call(ann->get_status()) == Status::offline);

  node.call(ann->beat());
  node.crash();
  CHECK(node.call(ann->get_status()) == Status::unknown);
  node.pass(15s);
  node.call(ann->beat());
  CHECK(node.call(ann->get_status()) == Status::online);
  node.call(ann->leave());
  CHECK(node.call(ann->get_status()) == Status::offline);
}

TEST_CASE("user: sees which of those it follows are there") {
  Node node;
  const auto ann = node.get<User>("ann");
  for (const char* name : {"bob", "cid", "dora"}) node.call(ann->follow(node.get<User>(name)));
  node.call(node.get<Presence>("cid")->beat());

  CHECK(node.call(ann->get_online()) == std::vector{node.get<User>("cid")});
}

TEST_CASE("room: everybody who is in gets every post once, through splits and a crash") {
  constexpr int kUsers = 250;
  Node node;
  const auto hall = node.get<Room>("hall");
  node.call(Crowd::of(hall)->add(make_feeds(400)));
  for (int user = 1; user <= kUsers; ++user) {
    node.call(node.get<User>(user)->join(hall));
    if (user % 25 == 0) node.call(node.get<User>(user)->say(hall, fmt::format("number {} is here", user)));
  }
  node.crash();
  node.call(node.get<User>(1)->say(hall, "all are here"));
  node.pass(10s);

  CHECK(node.call(hall->get_summary()).members == kUsers);
  for (int user = 1; user <= kUsers; ++user)
    CHECK(numbers_of(feed_of(node, std::to_string(user))) == count_from((user + 24) / 25, 11));

  node.call(node.get<User>(2)->say(hall, "let us begin"));  // the feeds have read what was there, and now are called
  node.pass(1s);
  for (int user = 1; user <= kUsers; ++user) CHECK(numbers_of(feed_of(node, std::to_string(user))).back() == 12);
}

TEST_CASE("room: who has left gets nothing more, and who comes back does") {
  Node node;
  const auto hall = node.get<Room>("hall");
  for (const char* name : {"ann", "bob"}) node.call(node.get<User>(name)->join(hall));
  node.pass(1s);
  const auto say = [&](const char* text) {
    node.call(node.get<User>("ann")->say(hall, text));
    node.pass(1s);
  };
  say("one");
  CHECK(feed_of(node, "bob").size() == 1);
  node.call(node.get<User>("bob")->leave(hall));
  say("two");
  CHECK(feed_of(node, "ann").size() == 2);
  CHECK(feed_of(node, "bob").empty());
  CHECK(node.call(hall->get_summary()).members == 1);

  node.call(node.get<User>("bob")->join(hall));
  node.pass(1s);
  say("three");
  CHECK(numbers_of(feed_of(node, "bob")) == count_from(3, 3));
}

TEST_CASE("room: history is in pages, and survives a crash") {
  Node node;
  const auto hall = node.get<Room>("hall");
  const auto ann = node.get<User>("ann");
  node.call(ann->join(hall));
  for (int number = 1; number <= 105; ++number) node.call(ann->say(hall, "again"));
  node.crash();
  node.pass(5s);

  CHECK(numbers_of(node.call(hall->get_history(500))) == count_from(1, 105));
  CHECK(numbers_of(node.call(hall->get_history(50))) == count_from(56, 105));
  CHECK(numbers_of(node.call(node.get<Page>("hall-3")->get_posts())) == count_from(61, 80));
  CHECK(node.call(hall->get_history(-1)).empty());
}

TEST_CASE("room: posts a digest once a day, if anything was said") {
  Node node;
  const auto hall = node.get<Room>("hall");
  const auto ann = node.get<User>("ann");
  node.call(ann->join(hall));
  node.call(ann->say(hall, "hello"));
  node.call(ann->say(hall, "is anybody there?"));
  node.pass(24h);
  node.pass(72h);

  const auto posts = feed_of(node, "ann");
  REQUIRE(posts.size() == 3);
  CHECK(posts[2].text == "2 posts since the last digest");
  CHECK_FALSE(posts[2].from);
}

TEST_CASE("setup: everything that is said at the party arrives, also across a crash") {
  Node node;
  node.run_setup();
  for (int part = 0; part < 2; ++part) {
    node.pass(20s);
    CHECK(node.call(node.get<Party>("demo")->count()).is_right);
    if (part == 0) node.crash();
  }
  node.pass(1min);

  const Count count = node.call(node.get<Party>("demo")->count());
  CHECK(count.left == 0);
  CHECK(count.posts == 300);
  CHECK(count.received == 300 * 12);
  CHECK(count.under_way == 0);
  CHECK(count.is_right);
}

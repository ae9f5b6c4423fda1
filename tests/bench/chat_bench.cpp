// The `chat` template on four nodes: 10,000 users, each in ten of 1,000 rooms, talk (`rooms`); one of them has 100,000
// followers (`star`); they talk while nodes are killed (`crash`). No message may be lost, or count twice; no yardstick.
//
// The first argument selects one of them, the second is the number of users, or of followers. All feeds have been read
// before, so a delivery is a call of a feed in memory, which then has the post. Bytes are those that the nodes have had
// written to disk, the store's own log included; where /tmp is in memory there are none.

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/many_calls.hpp"
#include "bench/stopped_store.hpp"
#include "crowd.hpp"
#include "epic/client.hpp"
#include "party.hpp"
#include "user.hpp"

using namespace epic::bench;
using namespace std::chrono_literals;
using epic::Client;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kRoomsOfEach = 10;
constexpr std::int64_t kMembers = 100;  // of each room
constexpr std::int64_t kAtOnce = 256;
constexpr std::int64_t kStarPosts = 10;
constexpr auto kSettledAfter = 2min;  // at the latest
constexpr auto kKillEvery = 3s;
const std::string kText(200, 't');

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

std::string user_key(std::int64_t number) { return fmt::format("user-{}", number); }

/// A fabric without the template's own party.
class ChatFabric {
 public:
  ChatFabric() : fabric_(4, "bench_chat"), client_((fabric_.wait_until_level(), fabric_.connect())) {
    client_.call(client_.get<Party>("demo")->go_on(0));
  }
  [[nodiscard]] const BenchFabric& fabric() const { return fabric_; }
  [[nodiscard]] const Client& client() const { return client_; }

  /// Until all messages have arrived.
  void wait_for_mail() const {
    for (const auto begin = Clock::now();; ::poll(nullptr, 0, 10)) {
      const Unfinished left = count_unfinished(fabric_.store());
      if (left.dead > 0) throw std::runtime_error(fmt::format("{} dead letters", left.dead));
      if (left.mail == 0) return;
      if (Clock::now() - begin > kSettledAfter) throw std::runtime_error(fmt::format("{} messages wait", left.mail));
    }
  }
  /// Of the users 0 … `count` - 1, or every `step`th of them.
  [[nodiscard]] std::int64_t sum_unread(std::int64_t count, std::int64_t step = 1) const {
    std::int64_t sum = 0;
    call_all<std::int64_t>(
        client_, count / step, kAtOnce,
        [&](std::int64_t number) { return client_.get<Feed>(user_key(number * step))->get_unread(); },
        [&](std::int64_t, epic::CallResult<std::int64_t> result) { sum += result.get(); });
    return sum;
  }
  /// Until the feeds have exactly so many posts.
  void wait_for_feeds(std::int64_t expected, std::int64_t count, std::int64_t step = 1) const {
    for (const auto begin = Clock::now();; ::poll(nullptr, 0, 5)) {
      const std::int64_t sum = sum_unread(count, step);
      if (sum == expected) return;
      if (sum > expected || Clock::now() - begin > kSettledAfter)
        throw std::runtime_error(fmt::format("the feeds have {} posts, not {}", sum, expected));
    }
  }

 private:
  BenchFabric fabric_;
  Client client_;
};

/// Users in rooms, and what they say.
class Talk {
 public:
  Talk(const ChatFabric& chat, std::int64_t users)
      : chat_(chat), users_(users), rooms_(users * kRoomsOfEach / kMembers) {
    call_all<bool>(chat.client(), users * kRoomsOfEach, kAtOnce, [&](std::int64_t number) {
      return chat.client().get<User>(user_key(number / kRoomsOfEach))->join(room_of(number / kRoomsOfEach, number));
    });
    chat.wait_for_mail();
    chat.wait_for_feeds(0, users);  // which reads them
  }
  [[nodiscard]] std::int64_t users() const { return users_; }
  [[nodiscard]] std::int64_t rooms() const { return rooms_; }

  /// Each text is another one, and said under its own key until that has succeeded.
  void say(std::int64_t posts) const {
    std::mt19937_64 random(7);
    std::vector<std::int64_t> users(static_cast<std::size_t>(posts));
    for (auto& user : users) user = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(users_));
    call_all<void>(
        chat_.client(), posts, kAtOnce,
        [&](std::int64_t post) {
          const std::int64_t user = users[static_cast<std::size_t>(post)];
          const auto speaker = chat_.client().get<User>(user_key(user)).with(2min);
          return speaker->say(room_of(user, post), fmt::format("{} {}", post, kText));
        },
        [](std::int64_t, epic::CallResult<void> result) { result.get(); },
        [](std::int64_t post) { return epic::ClientCallOptions{.idempotency_key = std::to_string(post)}; });
  }

  /// Every post is in one room once, and in the feeds of all its members once.
  void check(std::int64_t posts) const {
    chat_.wait_for_mail();
    chat_.wait_for_feeds(posts * kMembers, users_);
    std::set<std::string> texts;
    std::map<std::string, std::int64_t> in_rooms;
    call_all<std::vector<Post>>(
        chat_.client(), rooms_, kAtOnce,
        [&](std::int64_t room) { return room_ref(room)->get_history(Room::kHistoryMax); },
        [&](std::int64_t room, epic::CallResult<std::vector<Post>> result) {
          const std::vector<Post> history = result.get();
          in_rooms[std::string(room_ref(room).key())] = std::ssize(history);
          for (std::size_t i = 0; i < history.size(); ++i)
            if (history[i].number != static_cast<std::int64_t>(i) + 1 || !texts.insert(history[i].text).second)
              throw std::runtime_error(fmt::format("{} has '{}' again", room_ref(room).name(), history[i].text));
        });
    if (std::ssize(texts) != posts) throw std::runtime_error(fmt::format("{} of {} posts", texts.size(), posts));
    call_all<std::vector<Post>>(
        chat_.client(), users_, kAtOnce,
        [&](std::int64_t user) { return chat_.client().get<Feed>(user_key(user))->get_posts(Feed::kPostsMax); },
        [&](std::int64_t user, epic::CallResult<std::vector<Post>> result) {
          std::map<std::string, std::int64_t> last;
          for (const Post& post : result.get()) {
            std::int64_t& number = last[std::string(post.room.key())];
            if (number != 0 && post.number != number + 1)
              throw std::runtime_error(fmt::format("the feed of {}: {} has post {} behind {}", user_key(user),
                                                   post.room.name(), post.number, number));
            number = post.number;
          }
          for (const auto& [room, number] : last)
            if (number != in_rooms[room])
              throw std::runtime_error(fmt::format("the feed of {} ends with {} of {}", user_key(user), number, room));
        });
  }

 private:
  [[nodiscard]] epic::Ref<Room> room_ref(std::int64_t room) const {
    return epic::Ref<Room>(fmt::format("room-{}", room));
  }
  /// One of those that the user is in: each room gets as many users.
  [[nodiscard]] epic::Ref<Room> room_of(std::int64_t user, std::int64_t choice) const {
    return room_ref((user + choice % kRoomsOfEach * (rooms_ / kRoomsOfEach)) % rooms_);
  }

  const ChatFabric& chat_;
  std::int64_t users_;
  std::int64_t rooms_;
};

void print_rates(const std::string& title, std::int64_t posts, double seconds, double deliveries, double bytes) {
  print_table({{title, ""},
               {"posts per second", fmt::format("{:.1f}", static_cast<double>(posts) / seconds)},
               {"deliveries per second", fmt::format("{:.0f}", deliveries / seconds)},
               {"bytes written for a post", fmt::format("{:.0f}", bytes / static_cast<double>(posts))},
               {"bytes written for a delivery", fmt::format("{:.1f}", bytes / deliveries)}});
}

void measure_rooms(std::int64_t users) {
  const ChatFabric chat;
  const auto joined = Clock::now();
  const Talk talk(chat, users);
  fmt::print("{} users have joined {} rooms each in {:.1f} s.\n", users, kRoomsOfEach, seconds_since(joined));
  const std::int64_t posts = 2 * users;
  const std::uint64_t bytes_before = chat.fabric().count_written_bytes();
  const auto begin = Clock::now();
  talk.say(posts);
  chat.wait_for_mail();
  chat.wait_for_feeds(posts * kMembers, users);
  const double seconds = seconds_since(begin);
  const auto bytes = static_cast<double>(chat.fabric().count_written_bytes() - bytes_before);
  talk.check(posts);
  print_rates(
      fmt::format("{} posts of {} bytes in {} rooms of {} members", posts, kText.size(), talk.rooms(), kMembers), posts,
      seconds, static_cast<double>(posts * kMembers), bytes);
}

void measure_star(std::int64_t followers) {
  const ChatFabric chat;
  const auto star = chat.client().get<User>("star");
  const auto followed = Clock::now();
  call_all<bool>(chat.client(), followers, kAtOnce,
                 [&](std::int64_t number) { return chat.client().get<User>(user_key(number))->follow(star); });
  chat.wait_for_mail();
  chat.wait_for_feeds(0, followers);  // which reads them
  fmt::print("{} users follow one after {:.1f} s.\n", followers, seconds_since(followed));
  const std::int64_t step = std::max<std::int64_t>(followers / 1'000, 1);
  const std::uint64_t bytes_before = chat.fabric().count_written_bytes();
  const auto begin = Clock::now();
  for (std::int64_t post = 1; post <= kStarPosts; ++post) {
    chat.client().call(star->post(kText));
    chat.wait_for_feeds(post * (followers / step), followers, step);
  }
  const double seconds = seconds_since(begin);
  const auto bytes = static_cast<double>(chat.fabric().count_written_bytes() - bytes_before);
  chat.wait_for_feeds(kStarPosts * followers, followers);
  print_rates(
      fmt::format("{} posts of {} bytes to {} followers, one after the other", kStarPosts, kText.size(), followers),
      kStarPosts, seconds, static_cast<double>(kStarPosts * followers), bytes);
}

void check_crashes(std::int64_t users) {
  const ChatFabric chat;
  const Talk talk(chat, users);
  const std::int64_t posts = 2 * users;
  std::atomic<bool> is_over = false;
  int kills = 0;
  std::thread killer([&] {
    for (auto next = Clock::now() + kKillEvery; !is_over; ::poll(nullptr, 0, 50)) {
      if (Clock::now() < next) continue;
      chat.fabric().kill_node(fmt::format("node-{}", 1 + kills++ % 4));
      next = Clock::now() + kKillEvery;
    }
  });
  const auto stop = [&] {
    is_over = true;
    killer.join();
  };
  const auto begin = Clock::now();
  try {
    talk.say(posts);
  } catch (...) {
    stop();
    throw;
  }
  stop();
  const double seconds = seconds_since(begin);
  chat.fabric().wait_until_level();
  talk.check(posts);
  fmt::print("{} posts in {:.1f} s, {} nodes killed: none lost, none twice, in {} rooms and {} feeds.\n", posts,
             seconds, kills, talk.rooms(), talk.users());
}

}  // namespace

/// All of them, or the one named by the first argument.
int main(int argc, char** argv) {
  print_warnings();
  const std::string_view only = argc > 1 ? argv[1] : "";
  const std::int64_t count = argc > 2 ? std::atoll(argv[2]) : 0;
  if (only.empty() || only == "rooms") measure_rooms(count > 0 ? count : 10'000);
  if (only.empty() || only == "star") measure_star(count > 0 ? count : 100'000);
  if (only.empty() || only == "crash") check_crashes(count > 0 ? count : 10'000);
}

#include "node/answer_streams.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>
#include <vector>

using namespace epic::node;
using namespace std::chrono_literals;
using epic::protocol::Answer;
using epic::protocol::AnswerStatus;
using epic::protocol::GoOn;

namespace {

/// The requester; counts what arrived and lets tests wait for it.
class Asker {
 public:
  AnswerStream::Send send() {
    return [this](const Answer& answer) {
      const std::lock_guard lock(mutex_);
      answers_.push_back(answer);
      changed_.notify_all();
    };
  }
  /// Waits until `count` answers have arrived.
  [[nodiscard]] bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 30s, [&] { return answers_.size() >= count; });
  }
  [[nodiscard]] std::vector<Answer> answers() {
    const std::lock_guard lock(mutex_);
    return answers_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Answer> answers_;
};

}  // namespace

TEST_CASE("answer streams: parts stop at a window until the reader has room", "[node][threads]") {
  Asker asker;
  AnswerStreams streams(asker.send());
  streams.start(7, [](AnswerStream& stream) {
    for (int i = 0; i < 2000; ++i) stream.part("{}");
    stream.finish();
  });
  std::size_t windows = 0;
  for (std::size_t seen = 0;;) {
    REQUIRE(asker.wait_for(seen + 1));
    const auto answers = asker.answers();
    seen = answers.size();
    if (answers.back().last) break;
    if (!answers.back().wants_room) continue;
    CHECK(seen <= 1024 * ++windows);
    streams.go_on({.id = 7, .is_wanted = true});
    REQUIRE(asker.wait_for(seen + 1));
  }
  CHECK(windows == 1);
  CHECK(asker.answers().size() == 2001);
}

TEST_CASE("answer streams: large parts fill a window sooner", "[node][threads]") {
  Asker asker;
  AnswerStreams streams(asker.send());
  streams.start(7, [](AnswerStream& stream) {
    for (int i = 0; i < 4; ++i) stream.part(std::string(300'000, 'x'));
    stream.finish();
  });
  REQUIRE(asker.wait_for(2));
  CHECK(asker.answers()[1].wants_room);
  CHECK_FALSE(asker.answers()[0].wants_room);
  streams.go_on({.id = 7, .is_wanted = false});
}

TEST_CASE("answer streams: one answer made on a thread of its own is the last", "[node][threads]") {
  Asker asker;
  AnswerStreams streams(asker.send());
  std::thread::id maker;
  streams.start(7, [&](AnswerStream& stream) {
    maker = std::this_thread::get_id();
    stream.finish({.id = 7, .status = AnswerStatus::ok, .body = "{}", .last = true});
  });
  REQUIRE(asker.wait_for(1));
  CHECK(asker.answers()[0].last);
  CHECK(asker.answers()[0].body == "{}");
  CHECK(maker != std::this_thread::get_id());
}

TEST_CASE("answer streams: when nobody reads any more, the work is told", "[node][threads]") {
  Asker asker;
  AnswerStreams streams(asker.send());
  streams.start(7, [](AnswerStream& stream) {
    int sent = 0;
    while (stream.part("{}")) ++sent;
    stream.fail(std::to_string(sent));
  });
  REQUIRE(asker.wait_for(1024));
  streams.go_on({.id = 7, .is_wanted = false});
  REQUIRE(asker.wait_for(1025));
  CHECK(asker.answers().back().status == AnswerStatus::failed);
  CHECK(asker.answers().back().body.find("1024") != std::string::npos);
}

TEST_CASE("answer streams: one that stands still holds up no other, and too many are refused", "[node][threads]") {
  Asker asker;
  {
    AnswerStreams streams(asker.send());
    for (std::uint64_t id = 0; id < AnswerStreams::kStreamsMax; ++id)
      streams.start(id, [](AnswerStream& stream) {
        while (stream.part(std::string(600'000, 'x'))) {
        }
      });
    REQUIRE(asker.wait_for(AnswerStreams::kStreamsMax));
    streams.start(99, [](AnswerStream& stream) { stream.finish(); });
    REQUIRE(asker.wait_for(AnswerStreams::kStreamsMax + 1));
    CHECK(asker.answers().back().id == 99);
    CHECK(asker.answers().back().status == AnswerStatus::failed);
  }  // ends the stalled streams
}

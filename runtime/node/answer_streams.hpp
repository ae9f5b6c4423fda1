#pragma once
// AnswerStreams: long answers, each produced on its own thread, as fast as the client reads them.
//
// After a window of parts a stream asks the supervisor for room and waits for its GoOn. So nothing between the store
// and the terminal holds more than a window of rows per node, and a reader that stalls blocks no other request.
//
// Not here: what the parts are (listing.cpp, exporting.cpp).

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "protocol/supervision.hpp"

namespace epic::node {

/// One answer in progress. Its own thread sends; any thread can let it continue.
class AnswerStream {
 public:
  using Send = std::function<void(const protocol::Answer&)>;

  AnswerStream(std::uint64_t id, Send send) : id_(id), send_(std::move(send)) {}

  /// Sends a part, of at most protocol::kAnswerBytesMax, and waits when it is time to. False: nobody wants more.
  bool part(std::string body);
  /// Ends the answer; the last call on a stream.
  void finish();
  /// Ends it with this one.
  void finish(const protocol::Answer& last);
  void fail(const std::string& message);

  void go_on(const protocol::GoOn& go_on);

 private:
  const std::uint64_t id_;
  const Send send_;
  std::size_t parts_ = 0;  // since the last wait
  std::size_t bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool has_room_ = true;
  bool is_wanted_ = true;
};

/// Single-threaded, except for the streams themselves.
class AnswerStreams {
 public:
  using Work = std::move_only_function<void(AnswerStream&)>;

  /// Further ones are refused.
  static constexpr std::size_t kStreamsMax = 16;

  explicit AnswerStreams(AnswerStream::Send send) : send_(std::move(send)) {}
  /// Ends all of them.
  ~AnswerStreams();

  /// Runs `work` on its own thread; if there are too many, refuses the request.
  void start(std::uint64_t id, Work work);
  void go_on(const protocol::GoOn& go_on);

 private:
  struct Running {
    Running(std::uint64_t id, AnswerStream::Send send) : stream(id, std::move(send)) {}
    AnswerStream stream;
    std::atomic<bool> is_done{false};
    std::jthread thread;  // ends before the other members are destroyed
  };
  void reap();

  AnswerStream::Send send_;
  std::map<std::uint64_t, std::unique_ptr<Running>> running_;
};

}  // namespace epic::node

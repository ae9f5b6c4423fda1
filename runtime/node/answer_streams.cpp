#include "node/answer_streams.hpp"

#include <fmt/format.h>

#include <utility>

#include "node/answers.hpp"

namespace epic::node {

namespace {

// The window: whichever limit is reached first.
constexpr std::size_t kWindowParts = 1024;
constexpr std::size_t kWindowBytes = 512 * 1024;

}  // namespace

bool AnswerStream::part(std::string body) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return has_room_ || !is_wanted_; });
    if (!is_wanted_) return false;
  }
  bytes_ += body.size();
  const bool is_full = ++parts_ >= kWindowParts || bytes_ >= kWindowBytes;
  if (is_full) {
    parts_ = bytes_ = 0;
    const std::lock_guard lock(mutex_);
    has_room_ = false;
  }
  send_(
      {.id = id_, .status = protocol::AnswerStatus::ok, .body = std::move(body), .last = false, .wants_room = is_full});
  return true;
}

void AnswerStream::finish() { send_({.id = id_, .status = protocol::AnswerStatus::ok, .body = {}, .last = true}); }

void AnswerStream::finish(const protocol::Answer& last) { send_(last); }

void AnswerStream::fail(const std::string& message) {
  send_(make_failure(id_, protocol::AnswerStatus::failed, message));
}

void AnswerStream::go_on(const protocol::GoOn& go_on) {
  {
    const std::lock_guard lock(mutex_);
    has_room_ = true;
    is_wanted_ = is_wanted_ && go_on.is_wanted;
  }
  changed_.notify_all();
}

AnswerStreams::~AnswerStreams() {
  for (auto& [id, one] : running_) one->stream.go_on({.id = id, .is_wanted = false});
}

void AnswerStreams::start(std::uint64_t id, Work work) {
  reap();
  if (running_.size() >= kStreamsMax)
    return send_(
        make_failure(id, protocol::AnswerStatus::failed,
                     fmt::format("this node is already sending {} long answers; try again when they have been read",
                                 running_.size())));
  const auto [entry, is_new] = running_.emplace(id, std::make_unique<Running>(id, send_));
  Running& one = *entry->second;
  one.thread = std::jthread([&one, work = std::move(work)]() mutable {
    work(one.stream);
    one.is_done = true;
  });
}

void AnswerStreams::go_on(const protocol::GoOn& go_on) {
  const auto found = running_.find(go_on.id);
  if (found != running_.end()) found->second->stream.go_on(go_on);
}

void AnswerStreams::reap() {
  std::erase_if(running_, [](const auto& entry) { return entry.second->is_done.load(); });
}

}  // namespace epic::node

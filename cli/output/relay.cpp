#include "cli/output/relay.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string_view>
#include <utility>

namespace epic::cli {
namespace {

constexpr std::chrono::seconds kRelayEndWait{1};

void write_whole(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

struct Relay::Queue {
  struct Text {
    int descriptor;
    std::string text;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Text> texts;  // the first one is being written
  std::size_t bytes = 0;
  std::uint64_t lines_left_out = 0;
  int descriptor_left_out = -1;  // of the last of them
  bool is_ending = false;
  bool has_ended = false;
};

Relay::Relay() : queue_(std::make_shared<Queue>()) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);  // the thread inherits that: signals are for the supervisor's
  thread_ = std::thread([queue = queue_] { run(*queue); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Relay::~Relay() {
  std::unique_lock lock(queue_->mutex);
  queue_->is_ending = true;
  queue_->changed.notify_all();
  const bool has_ended = queue_->changed.wait_for(lock, kRelayEndWait, [this] { return queue_->has_ended; });
  lock.unlock();
  has_ended ? thread_.join() : thread_.detach();
}

void Relay::write(int descriptor, std::string text) {
  const std::lock_guard lock(queue_->mutex);
  if (queue_->lines_left_out > 0 || queue_->bytes + text.size() > kRelayBytesMax) {
    queue_->lines_left_out += static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
    queue_->descriptor_left_out = descriptor;
    return;
  }
  queue_->bytes += text.size();
  queue_->texts.push_back({descriptor, std::move(text)});
  queue_->changed.notify_all();
}

void Relay::run(Queue& queue) {
  std::unique_lock lock(queue.mutex);
  while (true) {
    queue.changed.wait(lock, [&] { return !queue.texts.empty() || queue.is_ending; });
    if (queue.texts.empty()) break;
    const Queue::Text& first = queue.texts.front();  // stays where it is while others are added
    lock.unlock();
    write_whole(first.descriptor, first.text);
    lock.lock();
    queue.bytes -= first.text.size();
    queue.texts.pop_front();
    if (queue.texts.empty() && queue.lines_left_out > 0) {
      std::string note = fmt::format("({} lines were not shown, as nothing read them; 'epic logs' has them)\n",
                                     std::exchange(queue.lines_left_out, 0));
      queue.bytes += note.size();
      queue.texts.push_back({queue.descriptor_left_out, std::move(note)});
    }
  }
  queue.has_ended = true;
  queue.changed.notify_all();
}

}  // namespace epic::cli

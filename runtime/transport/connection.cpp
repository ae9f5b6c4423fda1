#include "transport/connection.hpp"

namespace epic::transport {

namespace {

constexpr std::size_t kReadBytes = 32 * 1024;
constexpr std::size_t kKeptBytes = 256 * 1024;  // of a buffer, from one tick to the next

/// The approximate size of a message in a frame.
std::size_t estimate_bytes(const kernel::Message& message) {
  constexpr std::size_t kEnvelope = 256;
  constexpr std::size_t kPerKey = 64;
  const auto* const broadcast = std::get_if<kernel::BroadcastMessage>(&message);
  const auto* const call = broadcast != nullptr ? &broadcast->first : std::get_if<kernel::CallMessage>(&message);
  const std::size_t keys = broadcast == nullptr ? 0 : broadcast->keys.size();
  return call == nullptr ? kEnvelope : kEnvelope * (1 + call->chain.size()) + call->arguments.size() + kPerKey * keys;
}

}  // namespace

void Connection::start(StreamPtr stream) {
  stream_ = std::move(stream);
  stream_->start(*this);
}

// ---- out ----

void Connection::hold(kernel::Message message) {
  held_bytes_ += estimate_bytes(message);
  held_.push_back(std::move(message));
}

void Connection::append_held() {
  for (const kernel::Message& message : release_held()) append(message);
}

void Connection::take_held(Connection& other) {
  held_bytes_ = std::exchange(other.held_bytes_, 0);
  held_ = std::exchange(other.held_, {});
}

std::vector<kernel::Message> Connection::release_held() {
  held_bytes_ = 0;
  return std::exchange(held_, {});
}

void Connection::flush() {
  while (is_open_ && !is_blocked_ && !is_closed_) {
    if (written_ == writing_.size()) {
      written_ = 0;
      writing_.clear();
      if (writing_.capacity() > kKeptBytes) writing_ = {};
      if (gathered_.empty()) return;
      std::swap(gathered_, writing_);
    }
    written_ += stream_->write(std::span(writing_).subspan(written_));
    is_blocked_ = written_ < writing_.size();
  }
}

void Connection::on_open() {
  is_open_ = true;
  owner_.on_writable(*this);
}

void Connection::on_writable() {
  is_blocked_ = false;
  owner_.on_writable(*this);
}

void Connection::on_end(std::string why) {
  if (why.empty() && incoming_.pending_bytes() > 0) why = "it ended in the middle of a message";
  owner_.on_end(*this, why);
}

void Connection::close() {
  if (std::exchange(is_closed_, true) || stream_ == nullptr) return;
  stream_->close();
}

// ---- in ----

std::span<std::byte> Connection::room() {
  if (is_closed_ || is_condemned()) return {};
  return incoming_.prepare(kReadBytes);
}

void Connection::on_bytes(std::size_t count) {
  incoming_.commit(count);
  while (!is_closed_ && !is_condemned()) {
    auto frame = incoming_.next();
    if (!frame) return owner_.on_end(*this, "it sent bytes that are not a message: " + frame.error().what);
    if (!*frame) return;
    auto message = reader_.read(**frame);
    if (!message) return owner_.on_end(*this, "it sent a damaged message: " + message.error().what);
    owner_.on_message(*this, std::move(*message));
  }
}

}  // namespace epic::transport

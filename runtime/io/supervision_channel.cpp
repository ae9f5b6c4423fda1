#include "io/supervision_channel.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace epic::io {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadBytes = 16 * 1024;

}  // namespace

SupervisionChannel::SupervisionChannel(int descriptor, Handlers handlers)
    : handlers_(std::move(handlers)), socket_(context_), timer_(context_) {
  boost::system::error_code error;
  socket_.assign(asio::local::stream_protocol(), descriptor, error);
  if (error)
    asio::post(context_, [this, why = error.message()] { close(why); });
  else
    asio::post(context_, [this] { read_more(); });
  thread_ = std::thread([this] { context_.run(); });
}

SupervisionChannel::~SupervisionChannel() {
  context_.stop();
  thread_.join();
}

void SupervisionChannel::read_more() {
  const auto room = incoming_.prepare(kReadBytes);
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [this](const boost::system::error_code& error, std::size_t bytes) { on_read(error, bytes); });
}

void SupervisionChannel::on_read(const boost::system::error_code& error, std::size_t bytes) {
  if (error) return close(error == asio::error::eof ? "the supervisor has ended" : error.message());
  incoming_.commit(bytes);
  while (true) {
    const auto frame = incoming_.next();
    if (!frame) return close(frame.error().what);
    if (!*frame) return read_more();
    auto message = reader_.read(**frame);
    if (!message) return close(message.error().what);
    handlers_.on_message(std::move(*message));
  }
}

void SupervisionChannel::close(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_closed_, true)) return;
    gathered_.clear();
  }
  written_.notify_all();
  boost::system::error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  handlers_.on_closed(why);
}

void SupervisionChannel::send(const protocol::FromNode& message) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return;
  writer_.append(message, gathered_);
  if (!std::exchange(is_writing_, true)) asio::post(context_, [this] { write_more(); });
}

void SupervisionChannel::write_more() {
  {
    const std::lock_guard lock(mutex_);
    writing_.clear();
    std::swap(writing_, gathered_);
    writing_bytes_ = writing_.size();
    is_writing_ = writing_bytes_ > 0;
  }
  if (writing_bytes_ == 0) return written_.notify_all();
  asio::async_write(socket_, asio::buffer(writing_), [this](const boost::system::error_code& error, std::size_t) {
    if (error) return close("the supervisor has stopped reading: " + error.message());
    write_more();
  });
}

std::size_t SupervisionChannel::unsent_bytes() {
  const std::lock_guard lock(mutex_);
  return gathered_.size() + writing_bytes_;
}

void SupervisionChannel::flush_within(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  written_.wait_for(lock, timeout, [this] { return !is_writing_ || is_closed_; });
}

void SupervisionChannel::start_beating(std::chrono::nanoseconds interval) {
  asio::post(context_, [this, interval] {
    interval_ = interval;
    beat();
  });
}

void SupervisionChannel::beat() {
  send(handlers_.on_beat());
  timer_.expires_after(interval_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) beat();
  });
}

}  // namespace epic::io

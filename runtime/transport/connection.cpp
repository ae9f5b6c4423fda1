#include "transport/connection.hpp"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "transport/transport.hpp"

namespace epic::transport {

namespace {

constexpr std::size_t kReadBytes = 32 * 1024;
constexpr std::size_t kKeptBytes = 256 * 1024;  // of a buffer, from one tick to the next

}  // namespace

void Connection::dial(const std::string& address) {
  address_ = address;
  if (address.size() > kPathBytesMax)
    return fail(fmt::format("cannot connect to {}: a socket's path has at most {} bytes, this one has {}", address,
                            kPathBytesMax, address.size()));
  socket_.async_connect(asio::local::stream_protocol::endpoint(address),
                        [self = shared_from_this()](const boost::system::error_code& error) {
                          if (self->is_ended_) return;
                          if (error) return self->end("cannot connect to " + self->address_ + ": " + error.message());
                          self->is_connected_ = true;
                          self->socket_.non_blocking(true);
                          self->flush();
                          self->read_more();
                        });
}

void Connection::adopt(Socket socket) {
  socket_ = std::move(socket);
  socket_.non_blocking(true);
  is_connected_ = true;
  read_more();
}

void Connection::read_more() {
  const auto room = incoming_.prepare(kReadBytes);
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
                            self->on_read(error, bytes);
                          });
}

void Connection::on_read(const boost::system::error_code& error, std::size_t bytes) {
  if (is_ended_) return;
  if (error == asio::error::eof)
    return end(incoming_.pending_bytes() > 0 ? "it ended within a message" : std::string(kUsualEnd));
  if (error) return end(error.message());
  incoming_.commit(bytes);
  while (!is_ended_ && !is_condemned_) {
    auto frame = incoming_.next();
    if (!frame) return end("it sent what is no message: " + frame.error().what);
    if (!*frame) return read_more();
    auto message = wire::decode_message(**frame);
    if (!message) return end("it sent a damaged message: " + message.error().what);
    owner_.on_frame(*this, std::move(*message));
  }
}

void Connection::gather_held() {
  gathered_.insert(gathered_.end(), held_.begin(), held_.end());
  held_ = {};
  held_calls.clear();
}

void Connection::take_held(Connection& other) {
  held_ = std::exchange(other.held_, {});
  held_calls = std::exchange(other.held_calls, {});
}

void Connection::flush() {
  if (is_ended_ || !is_connected_ || is_writing_) return;
  while (!gathered_.empty()) {
    std::swap(gathered_, writing_);
    written_ = 0;
    while (written_ < writing_.size()) {
      boost::system::error_code error;
      written_ += socket_.write_some(asio::buffer(writing_.data() + written_, writing_.size() - written_), error);
      if (error == asio::error::would_block || error == asio::error::try_again) return write_rest();
      if (error) return fail(error.message());
    }
    written_ = 0;
    writing_.clear();
    if (writing_.capacity() > kKeptBytes) writing_ = {};
  }
  if (end_after_flush_) fail(*std::exchange(end_after_flush_, std::nullopt));
}

void Connection::write_rest() {
  is_writing_ = true;
  asio::async_write(socket_, asio::buffer(writing_.data() + written_, writing_.size() - written_),
                    [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
                      self->is_writing_ = false;
                      if (self->is_ended_) return;
                      if (error) return self->end(error.message());
                      self->written_ = 0;
                      self->writing_ = {};
                      self->flush();
                    });
}

void Connection::start_waiting_for_hello() {
  timer_.expires_after(kHelloPatience);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && !self->is_ended_ && !self->peer) self->end("it has not introduced itself in time");
  });
}

void Connection::fail(std::string why) {
  if (is_ended_) return;
  is_condemned_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this(), why = std::move(why)] { self->end(why); });
}

void Connection::fail_after_flush(std::string why) {
  is_condemned_ = true;
  end_after_flush_ = std::move(why);
  flush();
}

void Connection::end(const std::string& why) {
  if (is_ended_) return;
  const auto kept = shared_from_this();
  close();
  owner_.on_ended(*this, why);
}

void Connection::close() {
  is_ended_ = true;
  boost::system::error_code ignored;
  timer_.cancel();
  socket_.close(ignored);
}

}  // namespace epic::transport

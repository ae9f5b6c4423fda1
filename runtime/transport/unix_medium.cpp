#include "transport/unix_medium.hpp"

#include <fcntl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "transport/unix_socket.hpp"

namespace epic::transport {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;
using boost::system::error_code;

namespace {

/// After an error such as too many open files.
constexpr std::chrono::milliseconds kAcceptRetry{100};

class UnixStream final : public Stream, public std::enable_shared_from_this<UnixStream> {
 public:
  explicit UnixStream(Protocol::socket socket) : socket_(std::move(socket)) { socket_.non_blocking(true); }

  void start(StreamUser& user) override {
    user_ = &user;
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      if (self->is_open()) self->user_->on_open();
      if (self->is_open()) self->read();
    });
  }

  std::size_t write(std::span<const std::byte> bytes) override {
    std::size_t taken = 0;
    while (taken < bytes.size()) {
      error_code error;
      taken += socket_.write_some(asio::buffer(bytes.data() + taken, bytes.size() - taken), error);
      if (error == asio::error::would_block || error == asio::error::try_again) {
        wait_until_writable();
        return taken;
      }
      if (error) return bytes.size();  // reading will end with it
    }
    return taken;
  }

  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }

  void read() {
    const auto room = user_->room();
    if (room.empty()) return;
    socket_.async_read_some(asio::buffer(room.data(), room.size()),
                            [self = shared_from_this()](const error_code& error, std::size_t count) {
                              if (!self->is_open()) return;
                              if (error) return self->user_->on_end(error == asio::error::eof ? "" : error.message());
                              self->user_->on_bytes(count);
                              if (self->is_open()) self->read();
                            });
  }

  void wait_until_writable() {
    socket_.async_wait(Protocol::socket::wait_write, [self = shared_from_this()](const error_code& error) {
      if (!error && self->is_open()) self->user_->on_writable();
    });
  }

  Protocol::socket socket_;
  StreamUser* user_ = nullptr;
};

}  // namespace

UnixMedium::UnixMedium(asio::io_context& context) : context_(context), acceptor_(context), accept_later_(context) {}

UnixMedium::~UnixMedium() {
  stop_listening();
  *is_alive_ = false;
}

std::expected<StreamPtr, std::string> UnixMedium::dial(const std::string& address) {
  const auto socket = connect_unix_socket(address);
  if (!socket) return std::unexpected(connect_error_text(socket.error()));
  return std::make_shared<UnixStream>(Protocol::socket(context_, Protocol(), *socket));
}

std::expected<std::string, std::string> UnixMedium::listen(const std::string& address, OnAccept on_accept) {
  const auto socket = listen_unix_socket(address);
  if (!socket) return std::unexpected(socket.error().message());
  acceptor_.assign(Protocol(), *socket);
  listening_at_ = address;
  listening_as_ = files::identify(address).value_or(files::Identity{});
  on_accept_ = std::move(on_accept);
  accept_more();
  return address;
}

void UnixMedium::accept_more() {
  acceptor_.async_accept([this, alive = is_alive_](const error_code& error, Protocol::socket socket) {
    if (!*alive || !acceptor_.is_open()) return;
    if (error) {
      accept_later_.expires_after(kAcceptRetry);
      accept_later_.async_wait([this, alive](const error_code& cancelled) {
        if (*alive && !cancelled) accept_more();
      });
      return on_accept_(std::unexpected(error.message()));
    }
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    on_accept_(std::make_shared<UnixStream>(std::move(socket)));
    accept_more();
  });
}

void UnixMedium::hide() { files::remove_if_same(std::exchange(listening_at_, {}), listening_as_); }

void UnixMedium::stop_listening() {
  hide();
  error_code ignored;
  acceptor_.close(ignored);
  accept_later_.cancel();
}

}  // namespace epic::transport

#include "cluster/supervisor/machine_socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/write.hpp>
#include <utility>

#include "files/private_files.hpp"
#include "transport/unix_socket.hpp"

namespace epic::cluster {

namespace asio = boost::asio;
using LinkProtocol = asio::local::stream_protocol;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kLinkAcceptPause{100};  // after a failed accept
/// More is waiting for the other side than it can be asked to read at once: it is stopped, or gone.
constexpr std::size_t kLinkUnsentBytesMax = 4 * protocol::kMachineFrameBytesMax;

bool is_same_user(LinkProtocol::socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

}  // namespace

void MachineStream::shut() {
  error_code ignored;
  socket_.close(ignored);
}

void MachineStream::fail() {
  if (!is_open()) return;
  shut();
  on_closed();
}

void MachineStream::read() {
  const auto room = buffer_.prepare();
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](error_code error, std::size_t bytes) {
                            if (!self->is_open()) return;
                            if (error) return self->fail();
                            self->buffer_.commit(bytes);
                            while (self->is_open()) {
                              const auto payload = self->buffer_.next();
                              if (!payload) return self->fail();
                              if (!payload->has_value()) return self->read();
                              if (!self->on_frame(**payload)) return self->fail();
                            }
                          });
}

void MachineStream::flush() {
  if (unsent_.size() > kLinkUnsentBytesMax)
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->fail(); });
  else if (sending_.empty())
    write();
}

void MachineStream::write() {
  std::swap(sending_, unsent_);
  asio::async_write(socket_, asio::buffer(sending_), [self = shared_from_this()](error_code error, std::size_t) {
    self->sending_.clear();
    if (!self->is_open()) return;
    if (error) return self->fail();
    if (!self->unsent_.empty()) self->write();
  });
}

std::expected<LinkProtocol::socket, std::string> connect_machine(asio::io_context& context,
                                                                 const std::filesystem::path& path) {
  const auto descriptor = transport::connect_unix_socket(path.string());
  if (!descriptor) return std::unexpected(transport::connect_error_text(descriptor.error()));
  LinkProtocol::socket socket(context);
  socket.assign(LinkProtocol(), *descriptor);
  return socket;
}

struct MachineListener::Shared : std::enable_shared_from_this<Shared> {
  Shared(asio::io_context& context, std::filesystem::path its_path, OnLink its_on_link)
      : acceptor(context),
        pause(context),
        path(std::move(its_path)),
        socket(files::identify(path).value_or(files::Identity{})),
        on_link(std::move(its_on_link)) {}

  void accept() {
    acceptor.async_accept([self = shared_from_this()](error_code error, LinkProtocol::socket accepted) {
      if (!self->acceptor.is_open()) return;
      if (error) return self->accept_later();
      ::fcntl(accepted.native_handle(), F_SETFD, FD_CLOEXEC);
      if (is_same_user(accepted)) self->on_link(std::move(accepted));
      self->accept();
    });
  }
  void accept_later() {
    pause.expires_after(kLinkAcceptPause);
    pause.async_wait([self = shared_from_this()](error_code error) {
      if (!error && self->acceptor.is_open()) self->accept();
    });
  }

  LinkProtocol::acceptor acceptor;
  asio::steady_timer pause;
  std::filesystem::path path;
  files::Identity socket;  // what is there
  OnLink on_link;
};

std::expected<std::unique_ptr<MachineListener>, SupervisorError> MachineListener::listen(
    asio::io_context& context, const std::filesystem::path& path, OnLink on_link) {
  const auto socket = transport::listen_unix_socket(path.string());
  if (!socket)
    return std::unexpected(
        SupervisorError{.message = fmt::format("Cannot listen on {}: {}.", path.string(), socket.error().message()),
                        .hint = "Check the permissions of the directory.",
                        .log = {}});
  auto shared = std::make_shared<Shared>(context, path, std::move(on_link));
  shared->acceptor.assign(LinkProtocol(), *socket);
  shared->accept();
  return std::unique_ptr<MachineListener>(new MachineListener(std::move(shared)));
}

MachineListener::~MachineListener() {
  error_code ignored;
  shared_->acceptor.close(ignored);
  shared_->pause.cancel();
  shared_->on_link = {};
  files::remove_if_same(shared_->path, shared_->socket);
}

}  // namespace epic::cluster

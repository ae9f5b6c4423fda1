#include "cluster/control/control_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "codec/message_frames.hpp"
#include "files/private_files.hpp"
#include "protocol/frame_buffer.hpp"
#include "transport/unix_socket.hpp"

namespace epic::cluster {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;
using boost::system::error_code;

class ControlSession;

namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};  // after a failed accept (for example, out of descriptors)

/// The process at the other end; 0: unknown.
pid_t peer_of(Protocol::socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

/// What sessions report to their server.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  virtual void on_request(const ControlRequest& request, ControlReply reply) = 0;
  virtual void on_sent() = 0;
  virtual void on_room() = 0;
  virtual void on_closed(ControlSession& session) = 0;
};

}  // namespace

/// One connection. Kept alive by its server while it is open, and by pending Asio handlers.
class ControlSession final : public ControlReply::Sink, public std::enable_shared_from_this<ControlSession> {
 public:
  ControlSession(Protocol::socket socket, std::weak_ptr<SessionOwner> owner,
                 std::chrono::steady_clock::duration idle_max)
      : socket_(std::move(socket)),
        process_(peer_of(socket_)),
        owner_(std::move(owner)),
        idle_(socket_.get_executor()),
        idle_max_(idle_max) {}

  void start() {
    wait_while_idle();
    read();
  }

  void read() {
    const auto room = buffer_.prepare();
    socket_.async_read_some(asio::buffer(room.data(), room.size()),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              if (error) return self->close();
                              self->buffer_.commit(bytes);
                              self->handle_frames();
                              if (self->is_open()) self->read();
                            });
  }

  void send(const protocol::ControlAnswer& answer) override {
    if (!is_open()) return;
    writer_.append(answer, unsent_);
    if (answer.last && --under_way_ == 0) wait_while_idle();
    if (unsent_.size() + sending_.size() > ControlServer::kUnsentBytesMax) return close();
    if (sending_.empty()) write();
  }

  void close() {
    if (!is_open()) return;
    error_code ignored;
    socket_.close(ignored);
    idle_.cancel();
    unsent_.clear();
    if (const auto owner = owner_.lock()) owner->on_closed(*this);
  }

  [[nodiscard]] bool is_open() const override { return socket_.is_open(); }
  [[nodiscard]] pid_t process() const { return process_; }
  /// No request is under way, and all answers have been sent.
  [[nodiscard]] bool is_idle() const { return under_way_ == 0 && sending_.empty(); }
  [[nodiscard]] std::chrono::steady_clock::time_point idle_until() const { return idle_.expiry(); }
  [[nodiscard]] bool is_sent() const { return sending_.empty(); }
  [[nodiscard]] bool has_room() const override { return unsent_.size() + sending_.size() < ControlServer::kRoomBytes; }

 private:
  void handle_frames() {
    while (is_open()) {
      const auto payload = buffer_.next();
      if (!payload) return close();
      if (!payload->has_value()) return;
      const auto message = reader_.read(**payload);
      const auto* const request = message ? std::get_if<ControlRequest>(&*message) : nullptr;
      const auto owner = owner_.lock();
      if (request == nullptr || !owner) return close();
      ++under_way_;
      owner->on_request(*request, ControlReply(weak_from_this(), request->id));
    }
  }

  void write() {
    std::swap(sending_, unsent_);
    asio::async_write(socket_, asio::buffer(sending_), [self = shared_from_this()](error_code error, std::size_t) {
      self->sending_.clear();
      if (error) self->close();
      if (!self->unsent_.empty()) self->write();
      const auto owner = self->owner_.lock();
      if (owner && self->has_room()) owner->on_room();  // which may send more
      if (owner && self->is_sent()) owner->on_sent();
    });
  }

  void wait_while_idle() {
    idle_.expires_after(idle_max_);
    idle_.async_wait([weak = weak_from_this()](error_code error) {
      if (const auto self = weak.lock(); self && !error && self->under_way_ == 0) self->close();
    });
  }

  Protocol::socket socket_;
  pid_t process_;
  std::weak_ptr<SessionOwner> owner_;
  asio::steady_timer idle_;
  std::chrono::steady_clock::duration idle_max_;
  std::size_t under_way_ = 0;  // requests without their last answer
  protocol::FrameBuffer buffer_{protocol::kControlFrameBytesMax};
  codec::FrameReader<protocol::ControlMessage> reader_;
  codec::FrameWriter<protocol::ControlMessage> writer_;
  std::vector<std::byte> sending_;  // Invariant: non-empty exactly while a write is in progress
  std::vector<std::byte> unsent_;
};

struct ControlServer::Shared final : SessionOwner, std::enable_shared_from_this<Shared> {
  Shared(asio::io_context& context, std::filesystem::path socket_path, Handler on_request, ControlLimits its_limits)
      : acceptor(context),
        pause(context),
        path(std::move(socket_path)),
        socket(files::identify(path).value_or(files::Identity{})),
        handler(std::move(on_request)),
        limits(its_limits) {}

  void accept() {
    acceptor.async_accept([self = shared_from_this()](error_code error, Protocol::socket socket) {
      if (!self->acceptor.is_open()) return;
      if (error) return self->accept_later();
      ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
      if (self->make_room(peer_of(socket))) {
        const auto session = std::make_shared<ControlSession>(std::move(socket), self, self->limits.idle_max);
        self->sessions.insert(session);
        session->start();
      }
      self->accept();
    });
  }

  /// For one more connection of `process`: at a limit, the one that has been idle longest goes.
  bool make_room(pid_t process) {
    const auto count = std::ranges::count(sessions, process, [](const auto& session) { return session->process(); });
    const bool is_greedy = static_cast<std::size_t>(count) >= limits.connections_of_process_max;
    if (!is_greedy && sessions.size() < limits.connections_max) return true;
    std::shared_ptr<ControlSession> idlest;
    for (const auto& session : sessions)
      if (session->is_idle() && (!is_greedy || session->process() == process) &&
          (!idlest || session->idle_until() < idlest->idle_until()))
        idlest = session;
    if (idlest) idlest->close();
    return idlest != nullptr;
  }

  void accept_later() {
    pause.expires_after(kAcceptPause);
    pause.async_wait([self = shared_from_this()](error_code error) {
      if (!error && self->acceptor.is_open()) self->accept();
    });
  }

  void on_request(const ControlRequest& request, ControlReply reply) override {
    if (handler)
      handler(request, std::move(reply));
    else
      reply.fail(AnswerStatus::failed, "The fabric is stopping.");
  }
  void on_sent() override { check_flushed(); }
  void on_room() override {
    if (room_watcher) room_watcher();
  }
  void on_closed(ControlSession& session) override {
    sessions.erase(session.shared_from_this());
    on_room();  // callers that wait for room can continue
    check_flushed();
  }

  void check_flushed() {
    if (!on_flushed) return;
    for (const auto& session : sessions)
      if (!session->is_sent()) return;
    std::exchange(on_flushed, {})();
  }

  void stop_listening() {
    if (!acceptor.is_open()) return;
    error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
    files::remove_if_same(path, socket);
    handler = {};
  }

  Protocol::acceptor acceptor;
  asio::steady_timer pause;
  std::filesystem::path path;
  files::Identity socket;  // what is there
  Handler handler;         // empty once the server has stopped listening
  ControlLimits limits;
  std::set<std::shared_ptr<ControlSession>> sessions;
  std::function<void()> on_flushed;
  std::function<void()> room_watcher;
};

std::expected<std::unique_ptr<ControlServer>, SupervisorError> ControlServer::listen(asio::io_context& context,
                                                                                     const std::filesystem::path& path,
                                                                                     Handler handler,
                                                                                     ControlLimits limits) {
  const auto socket = transport::listen_unix_socket(path.string());
  if (!socket)
    return std::unexpected(
        SupervisorError{.message = fmt::format("Cannot listen on {}: {}.", path.string(), socket.error().message()),
                        .hint = "Check the permissions of the project's directory.",
                        .log = {}});
  auto shared = std::make_shared<Shared>(context, path, std::move(handler), limits);
  shared->acceptor.assign(Protocol(), *socket);
  shared->accept();
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(shared)));
}

ControlServer::~ControlServer() {
  shared_->stop_listening();
  shared_->on_flushed = {};
  shared_->room_watcher = {};
  for (const auto& session : std::exchange(shared_->sessions, {})) session->close();
}

void ControlServer::watch_room(std::function<void()> on_room) { shared_->room_watcher = std::move(on_room); }

void ControlServer::stop_listening() { shared_->stop_listening(); }

void ControlServer::flush(std::function<void()> done) {
  shared_->on_flushed = std::move(done);
  shared_->check_flushed();
}

}  // namespace epic::cluster

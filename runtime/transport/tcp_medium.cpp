#include "transport/tcp_medium.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "protocol/machine_place.hpp"

namespace epic::transport {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

/// After an error such as too many open files.
constexpr std::chrono::milliseconds kTcpAcceptRetry{100};
constexpr int kRecordsInARow = 8;  // then others may read
/// For a peer whose certificate was refused to read why, and how many may be doing so.
constexpr std::chrono::seconds kReasonPatience{1};
constexpr std::size_t kReasonReadersMax = 16;

void set_option(int socket, int level, int name, int value) {
  static_cast<void>(::setsockopt(socket, level, name, &value, sizeof value));
}

void set_options(Tcp::socket& socket, const TcpLimits& limits) {
  const int descriptor = socket.native_handle();
  const auto silence_ms = static_cast<int>(limits.silence_max.count());
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  error_code ignored;
  socket.non_blocking(true, ignored);
  set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, std::max(1, silence_ms / 2000));
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set_option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, silence_ms);  // also instead of a number of probes
}

class TcpStream;

struct TcpStreamOwner {
  virtual void on_proved(const std::shared_ptr<TcpStream>& stream) = 0;
  virtual void on_refused(TcpStream& stream, const TlsSession::Fault& fault) = 0;

 protected:
  ~TcpStreamOwner() = default;
};

class TcpStream final : public Stream, public std::enable_shared_from_this<TcpStream> {
 public:
  using Side = TlsSession::Side;
  using Outcome = TlsSession::Outcome;

  TcpStream(Tcp::socket socket, std::shared_ptr<TcpStreamOwner> owner, TlsContextPtr context, Side side,
            Tcp::endpoint peer, const TcpLimits& limits)
      : socket_(std::move(socket)),
        patience_(socket_.get_executor()),
        owner_(std::move(owner)),
        context_(std::move(context)),
        side_(side),
        peer_(std::move(peer)),
        limits_(limits) {}

  void connect() {
    wait_for_handshake();
    try_to_connect();
  }
  void accept() {
    wait_for_handshake();
    set_options(socket_, limits_);
    session_.emplace(context_, socket_.native_handle(), side_);
    shake_hands_when(Tcp::socket::wait_read);  // the other side begins
  }

  void start(StreamUser& user) override {
    user_ = &user;
    if (is_proved_) asio::post(socket_.get_executor(), [self = shared_from_this()] { self->open(); });
  }

  std::size_t write(std::span<const std::byte> bytes) override {
    const std::size_t taken = session_->write(bytes);
    owes_report_ = taken < bytes.size();
    wait_until_writable();
    return taken;
  }

  void close() override {
    if (session_) session_->flush();
    error_code ignored;
    socket_.close(ignored);
    patience_.cancel();
    owner_.reset();
  }

  /// The timeout would also end it while the peer answers, but has no room for more.
  void let_read_slowly() override { set_option(socket_.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, 0); }
  [[nodiscard]] std::string peer_address() const override { return format_tcp_address(peer_); }
  [[nodiscard]] Side side() const { return side_; }
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }

  /// Closes it, and says why.
  void refuse(const TlsSession::Fault& fault) {
    const auto owner = owner_;
    const bool is_by_certificate =
        fault.reason == Refusal::expired_certificate || fault.reason == Refusal::wrong_certificate;
    is_by_certificate&& side_ == Side::accepted ? close_later() : close();
    owner->on_refused(*this, fault);
    if (user_ != nullptr) user_->on_end(fault.text);
  }

 private:
  using Wait = Tcp::socket::wait_type;

  /// The dialling side has ended its part of the handshake by then, and may have sent more: closing would reset the
  /// connection, and that side might never read the reason.
  void close_later() {
    session_->flush();
    error_code ignored;
    socket_.shutdown(Tcp::socket::shutdown_send, ignored);
    owner_.reset();
    patience_.expires_after(kReasonPatience);
    patience_.async_wait([self = shared_from_this()](const error_code&) { self->close(); });
  }

  // ---- until it is open ----

  void wait_for_handshake() {
    patience_.expires_after(limits_.handshake_timeout);
    patience_.async_wait([self = shared_from_this()](const error_code& cancelled) {
      if (!cancelled && self->is_open() && !self->is_proved_)
        self->refuse({Refusal::slow, "it did not complete the handshake in time"});
    });
  }

  void try_to_connect() {
    socket_ = Tcp::socket(socket_.get_executor());
    error_code error;
    socket_.open(peer_.protocol(), error);
    if (error) {
      asio::post(socket_.get_executor(), [self = shared_from_this(), error] { self->fail_to_connect(error); });
      return;
    }
    set_options(socket_, limits_);
    socket_.async_connect(peer_, [self = shared_from_this()](const error_code& failure) {
      if (!self->is_open() || failure == asio::error::operation_aborted) return;
      if (failure) return self->fail_to_connect(failure);
      self->session_.emplace(self->context_, self->socket_.native_handle(), self->side_, self->offer_);
      self->shake_hands();
    });
  }

  void fail_to_connect(const error_code& error) {
    const bool is_wanted = owner_ != nullptr;
    close();
    if (is_wanted && user_ != nullptr) user_->on_end(error.message());
  }

  void shake_hands_when(Wait what) {
    socket_.async_wait(what, [self = shared_from_this()](const error_code& error) {
      if (error || !self->is_open()) return;
      self->session_->on_readable();
      self->shake_hands();
    });
  }

  void shake_hands() {
    switch (session_->shake_hands()) {
      case Outcome::wants_bytes:
        return shake_hands_when(Tcp::socket::wait_read);
      case Outcome::wants_room:
        return shake_hands_when(Tcp::socket::wait_write);
      case Outcome::done:
        return on_handshake();
      default:
        break;
    }
    const TlsSession::Fault fault = session_->fault();
    if (side_ == Side::dialled && fault.reason == Refusal::wrong_secret && offer_ + 1 < context_->offers()) {
      ++offer_;
      return try_to_connect();
    }
    refuse(fault);
  }

  void on_handshake() {
    is_proved_ = true;
    patience_.cancel();
    if (side_ == Side::accepted)
      owner_->on_proved(shared_from_this());
    else if (user_ != nullptr)
      open();
  }

  void open() {
    if (is_open()) user_->on_open();
    if (is_open()) read();
  }

  // ---- afterwards ----

  void read() {
    for (int records = 0; records < kRecordsInARow; ++records) {
      const auto room = user_->room();
      if (room.empty()) return;
      const auto [outcome, count] = session_->read(room);
      if (outcome == Outcome::wants_bytes) return read_when_readable();
      if (outcome == Outcome::ended) return user_->on_end({});
      if (outcome == Outcome::failed) return on_fault();
      user_->on_bytes(count);
      if (!is_open()) return;
    }
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      if (self->is_open()) self->read();
    });
  }

  void read_when_readable() {
    wait_until_writable();  // TLS may have had something to answer
    socket_.async_wait(Tcp::socket::wait_read, [self = shared_from_this()](const error_code& error) {
      if (error || !self->is_open()) return;
      self->session_->on_readable();
      self->read();
    });
  }

  /// A certificate is refused only after the dialling side has ended its part of the handshake.
  void on_fault() {
    const TlsSession::Fault fault = session_->fault();
    if (fault.reason != Refusal::cut_off) owner_->on_refused(*this, fault);
    user_->on_end(fault.text);
  }

  void wait_until_writable() {
    if (session_->flush() && !owes_report_) return;
    if (std::exchange(is_waiting_to_write_, true)) return;
    socket_.async_wait(Tcp::socket::wait_write, [self = shared_from_this()](const error_code& error) {
      self->is_waiting_to_write_ = false;
      if (error || !self->is_open()) return;
      if (!self->session_->flush()) return self->wait_until_writable();
      if (std::exchange(self->owes_report_, false)) self->user_->on_writable();
    });
  }

  Tcp::socket socket_;
  asio::steady_timer patience_;
  std::shared_ptr<TcpStreamOwner> owner_;  // shared with the medium; until it is closed
  TlsContextPtr context_;
  Side side_;
  Tcp::endpoint peer_;
  const TcpLimits limits_;
  std::size_t offer_ = 0;
  std::optional<TlsSession> session_;
  StreamUser* user_ = nullptr;
  bool is_proved_ = false;
  bool is_waiting_to_write_ = false;
  bool owes_report_ = false;  // on_writable()
};

}  // namespace

// ---- addresses ----

std::expected<Tcp::endpoint, std::string> parse_tcp_address(const std::string& address) {
  const auto fail = [&] { return std::unexpected(std::string("not an IP address and a port, such as 10.0.0.3:7000")); };
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return fail();
  std::string host = address.substr(0, colon);
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  error_code error;
  const auto ip = asio::ip::make_address(host, error);
  std::uint16_t port = 0;
  const char* const end = address.data() + address.size();
  const auto [rest, problem] = std::from_chars(address.data() + colon + 1, end, port);
  if (error || ip.is_v6() != is_bracketed || problem != std::errc() || rest != end) return fail();
  return Tcp::endpoint(ip, port);
}

std::string format_tcp_address(const Tcp::endpoint& endpoint) {
  return protocol::format_tcp_address(endpoint.address().to_string(), endpoint.port());
}

// ---- medium ----

struct TcpMedium::Shared final : TcpStreamOwner, std::enable_shared_from_this<Shared> {
  Shared(asio::io_context& io, GetContext credentials, TcpLimits its_limits)
      : context(io),
        get_context(std::move(credentials)),
        limits(its_limits),
        acceptor(io),
        accept_later(io),
        report_later(io) {}

  void accept_more() {
    acceptor.async_accept([self = shared_from_this()](const error_code& error, Tcp::socket socket) {
      if (!self->acceptor.is_open()) return;
      if (!error) {
        self->admit(std::move(socket));
        return self->accept_more();
      }
      self->accept_later.expires_after(kTcpAcceptRetry);
      self->accept_later.async_wait([self](const error_code& cancelled) {
        if (!cancelled && self->acceptor.is_open()) self->accept_more();
      });
      self->on_accept(std::unexpected(error.message()));
    });
  }

  void admit(Tcp::socket socket) {
    error_code is_gone;
    const Tcp::endpoint peer = socket.remote_endpoint(is_gone);
    if (is_gone) return;
    auto credentials = get_context();
    if (!credentials) return report(fmt::format("{}: {}", format_tcp_address(peer), credentials.error()));
    if (strangers.size() >= limits.strangers_max) {
      const auto oldest = strangers.front();
      oldest->refuse({Refusal::too_many, "it had proved nothing yet when too many others came"});
    }
    strangers.push_back(std::make_shared<TcpStream>(std::move(socket), shared_from_this(), *std::move(credentials),
                                                    TlsSession::Side::accepted, peer, limits));
    strangers.back()->accept();
  }

  void on_proved(const std::shared_ptr<TcpStream>& stream) override {
    std::erase(strangers, stream);
    on_accept(stream);
  }

  void on_refused(TcpStream& stream, const TlsSession::Fault& fault) override {
    const bool is_dialled = stream.side() == TlsSession::Side::dialled;
    const bool is_away = is_dialled && fault.reason == Refusal::slow;  // and nobody has refused anything
    if (!is_away) refusals.add(fault.reason);
    if (is_dialled) return;  // its user reports it
    const std::string text = fmt::format("{} was refused: {}", stream.peer_address(), fault.text);
    const auto stranger = std::ranges::find(strangers, &stream, [](const auto& one) { return one.get(); });
    if (stranger != strangers.end()) {
      if (stream.is_open()) readers.push_back(*stranger);
      strangers.erase(stranger);
    }
    if (readers.size() > kReasonReadersMax) {
      readers.front()->close();
      readers.pop_front();
    }
    report(text);
  }

  void report(const std::string& text) {
    if (!on_accept) return;
    if (is_reporting) {
      ++unreported;
      last_unreported = text;
      return;
    }
    is_reporting = true;
    report_later.expires_after(limits.report_interval);
    report_later.async_wait([self = shared_from_this()](const error_code& cancelled) {
      if (cancelled || !self->on_accept) return;
      self->is_reporting = false;
      if (const std::uint64_t count = std::exchange(self->unreported, 0); count > 0)
        self->report(fmt::format("{} more were refused; the last: {}", count, self->last_unreported));
    });
    on_accept(std::unexpected(text));
  }

  asio::io_context& context;
  GetContext get_context;
  TcpLimits limits;
  Tcp::acceptor acceptor;
  asio::steady_timer accept_later;
  asio::steady_timer report_later;
  OnAccept on_accept;
  std::deque<std::shared_ptr<TcpStream>> strangers;  // oldest first; shared with their pending operations
  std::deque<std::shared_ptr<TcpStream>> readers;    // … of the reason why they were refused
  RefusalCounts refusals;
  bool is_reporting = false;
  std::uint64_t unreported = 0;
  std::string last_unreported;
};

TcpMedium::TcpMedium(asio::io_context& context, GetContext get_context, TcpLimits limits)
    : shared_(std::make_shared<Shared>(context, std::move(get_context), limits)) {}

TcpMedium::~TcpMedium() { stop_listening(); }

std::string TcpMedium::address_of(const kernel::ShardMap::Member& member) const {
  return member.host.empty() ? member.address : protocol::format_tcp_address(member.host, member.port);
}

std::expected<StreamPtr, std::string> TcpMedium::dial(const std::string& address) {
  auto peer = parse_tcp_address(address);
  if (!peer) return std::unexpected(std::move(peer.error()));
  auto credentials = shared_->get_context();
  if (!credentials) return std::unexpected(std::move(credentials.error()));
  auto stream = std::make_shared<TcpStream>(Tcp::socket(shared_->context), shared_, *std::move(credentials),
                                            TlsSession::Side::dialled, *peer, shared_->limits);
  stream->connect();
  return stream;
}

std::expected<std::string, std::string> TcpMedium::listen(const std::string& address, OnAccept on_accept) {
  const auto endpoint = parse_tcp_address(address);
  if (!endpoint) return std::unexpected(endpoint.error());
  if (const auto credentials = shared_->get_context(); !credentials) return std::unexpected(credentials.error());
  auto& acceptor = shared_->acceptor;
  error_code error;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    error_code ignored;
    acceptor.close(ignored);
    return std::unexpected(error.message());
  }
  ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  shared_->on_accept = std::move(on_accept);
  shared_->accept_more();
  return listening_at();
}

/// Closing the socket would reset what waits to be accepted.
void TcpMedium::hide() {
  auto& acceptor = shared_->acceptor;
  if (!acceptor.is_open()) return;
  error_code error;
  acceptor.non_blocking(true, error);
  while (!error) {
    Tcp::socket socket(shared_->context);
    acceptor.accept(socket, error);
    if (!error) shared_->admit(std::move(socket));
  }
  acceptor.close(error);
  shared_->accept_later.cancel();
}

void TcpMedium::stop_listening() {
  error_code ignored;
  shared_->acceptor.close(ignored);
  shared_->accept_later.cancel();
  shared_->report_later.cancel();
  for (const auto& stranger : std::exchange(shared_->strangers, {})) stranger->close();
  for (const auto& reader : std::exchange(shared_->readers, {})) reader->close();
  shared_->on_accept = {};
}

RefusalCounts TcpMedium::refusals() const { return shared_->refusals; }

std::string TcpMedium::listening_at() const {
  error_code error;
  const Tcp::endpoint endpoint = shared_->acceptor.local_endpoint(error);
  return error ? std::string() : format_tcp_address(endpoint);
}

std::size_t TcpMedium::strangers() const { return shared_->strangers.size(); }

}  // namespace epic::transport

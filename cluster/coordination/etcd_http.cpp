#include "cluster/coordination/etcd_http.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>
#include <optional>
#include <utility>

// What coroutines here refer to lives in the frame or in the queue of who awaits them.
// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)

namespace epic::cluster {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

std::string name_of(const EtcdEndpoint& endpoint) {
  const bool is_v6 = endpoint.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", endpoint.host, is_v6 ? "]" : "", endpoint.port);
}

http::request<http::string_body> make_request(const EtcdEndpoint& server, std::string path, std::string body) {
  http::request<http::string_body> request{http::verb::post, path, 11};
  request.set(http::field::host, name_of(server));
  request.set(http::field::content_type, "application/json");
  // Else a member that has lost the others keeps a watch open that hears nothing any more.
  request.set("Grpc-Metadata-hasleader", "true");
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

/// A stream that waits for news sends nothing itself: without this it would never notice that the other machine is
/// gone.
void set_keepalive(tcp::socket& socket) {
  const auto set = [&](int level, int name, int value) {
    static_cast<void>(::setsockopt(socket.native_handle(), level, name, &value, sizeof(value)));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 5);  // seconds
  set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

}  // namespace

std::expected<EtcdEndpoint, std::string> parse_etcd_endpoint(std::string_view text) {
  const std::string whole(text);
  if (text.starts_with("https://"))
    return std::unexpected(fmt::format("epic reaches etcd without TLS only: leave https:// out of '{}'", whole));
  if (text.starts_with("http://")) text.remove_prefix(7);
  if (text.ends_with('/')) text.remove_suffix(1);
  EtcdEndpoint endpoint;
  std::string_view port;
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) port = text.substr(colon + 1);
  endpoint.host = bracket == std::string_view::npos ? text.substr(0, colon) : text.substr(1, bracket - 1);
  const auto read = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  const bool is_port = colon == std::string_view::npos || (read.ec == std::errc() && endpoint.port != 0);
  if (endpoint.host.empty() || !is_port || read.ptr != port.data() + port.size() ||
      endpoint.host.find_first_of("/@ ") != std::string::npos)
    return std::unexpected(fmt::format("'{}' is not the address of an etcd server, such as 10.0.0.1:2379", whole));
  return endpoint;
}

struct EtcdHttp::Connection {
  Connection(asio::io_context& context, std::size_t number) : stream(context), server(number) {}

  /// The server has closed it, or has sent what nobody asked for.
  [[nodiscard]] bool has_ended() {
    char byte = 0;
    boost::system::error_code error;
    stream.socket().non_blocking(true, error);
    if (!error) stream.socket().receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
    return error != asio::error::would_block;
  }

  beast::tcp_stream stream;
  beast::flat_buffer buffer;
  std::size_t server;
};

class EtcdHttp::Stream {
 public:
  Stream(EtcdHttp& http, std::unique_ptr<Connection> connection) : owner(http), held(std::move(connection)) {
    owner.streams_.push_back(this);
    parser.body_limit(boost::none);
  }
  ~Stream() { std::erase(owner.streams_, this); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  EtcdHttp& owner;
  std::unique_ptr<Connection> held;
  http::response_parser<http::buffer_body> parser;
  std::array<char, 16384> chunk{};
  std::string received;  // not returned yet
};

void EtcdHttp::CloseStream::operator()(Stream* stream) const { delete stream; }

EtcdHttp::EtcdHttp(asio::io_context& context, std::vector<EtcdEndpoint> endpoints,
                   std::chrono::nanoseconds answer_timeout)
    : context_(context), endpoints_(std::move(endpoints)), answer_timeout_(answer_timeout) {}

EtcdHttp::~EtcdHttp() = default;

void EtcdHttp::close() {
  is_closed_ = true;
  if (connection_) connection_->stream.close();
  for (Stream* const stream : streams_) stream->held->stream.close();
}

void EtcdHttp::end(Stream& stream) { stream.held->stream.close(); }

/// Connections lead to the next server from here on, unless another has noticed before.
void EtcdHttp::leave_server(std::size_t server) {
  if (server_ == server) server_ = (server_ + 1) % endpoints_.size();
  for (Stream* const stream : streams_)
    if (stream->held->server == server) stream->held->stream.close();
}

asio::awaitable<std::string> EtcdHttp::try_connect(Connection& connection) {
  const EtcdEndpoint& endpoint = endpoints_[connection.server];
  boost::system::error_code error;
  std::vector<tcp::endpoint> addresses;
  if (const auto address = asio::ip::make_address(endpoint.host, error); !error) {
    addresses.emplace_back(address, endpoint.port);
  } else {
    tcp::resolver resolver(context_);
    const auto [unknown, found] =
        co_await resolver.async_resolve(endpoint.host, std::to_string(endpoint.port), kAsTuple);
    if (unknown) co_return unknown.message();
    for (const auto& entry : found) addresses.push_back(entry.endpoint());
  }
  connection.stream.expires_after(answer_timeout_);
  const auto [failed, connected] = co_await connection.stream.async_connect(addresses, kAsTuple);
  if (failed) co_return failed.message();
  connection.stream.socket().set_option(tcp::no_delay(true), error);
  set_keepalive(connection.stream.socket());
  co_return is_closed_ ? "it was closed" : "";
}

asio::awaitable<EtcdHttp::Result<std::unique_ptr<EtcdHttp::Connection>>> EtcdHttp::connect() {
  std::string why;
  for (std::size_t tried = 0; tried < endpoints_.size() && !is_closed_; ++tried) {
    auto connection = std::make_unique<Connection>(context_, server_);
    const std::string fault = co_await try_connect(*connection);
    if (fault.empty()) co_return connection;
    why += fmt::format("{}{}: {}", why.empty() ? "" : "; ", name_of(endpoints_[connection->server]), fault);
    leave_server(connection->server);
  }
  co_return std::unexpected("no etcd server can be reached: " + why);
}

asio::awaitable<EtcdHttp::Result<EtcdHttp::Answer>> EtcdHttp::post(std::string path, std::string body) {
  if (connection_ && connection_->has_ended()) connection_.reset();
  if (!connection_) {
    auto connected = co_await connect();
    if (!connected) co_return std::unexpected(std::move(connected).error());
    connection_ = std::move(*connected);
  }
  const std::size_t server = connection_->server;
  auto answer = co_await exchange(*connection_, std::move(path), std::move(body));
  const bool is_unfit = !answer || answer->status >= 500;
  if (is_unfit) {
    connection_.reset();
    leave_server(server);
  }
  co_return answer;
}

asio::awaitable<EtcdHttp::Result<EtcdHttp::Answer>> EtcdHttp::exchange(Connection& connection, std::string path,
                                                                       std::string body) {
  const auto request = make_request(endpoints_[connection.server], std::move(path), std::move(body));
  connection.stream.expires_after(answer_timeout_);
  http::response_parser<http::string_body> parser;
  parser.body_limit(kAnswerBytesMax);
  auto [error, count] = co_await http::async_write(connection.stream, request, kAsTuple);
  if (!error)
    std::tie(error, count) = co_await http::async_read(connection.stream, connection.buffer, parser, kAsTuple);
  if (error)
    co_return std::unexpected(
        fmt::format("etcd at {} has not answered: {}", name_of(endpoints_[connection.server]),
                    error == http::error::end_of_stream ? "it closed the connection" : error.message()));
  co_return Answer{parser.get().result_int(), std::move(parser.get().body())};
}

asio::awaitable<EtcdHttp::Result<EtcdHttp::StreamPointer>> EtcdHttp::open_stream(std::string path, std::string body) {
  auto connected = co_await connect();
  if (!connected) co_return std::unexpected(std::move(connected).error());
  StreamPointer stream(new Stream(*this, std::move(*connected)));
  const auto request = make_request(endpoints_[stream->held->server], std::move(path), std::move(body));
  stream->held->stream.expires_after(answer_timeout_);
  const auto [error, count] = co_await http::async_write(stream->held->stream, request, kAsTuple);
  if (error) co_return std::unexpected(error.message());
  co_return stream;
}

asio::awaitable<EtcdHttp::Result<std::string>> EtcdHttp::next_line(Stream& stream) {
  std::size_t searched = 0;
  while (true) {
    if (const auto end = stream.received.find('\n', searched); end != std::string::npos) {
      std::string line = stream.received.substr(0, end);
      stream.received.erase(0, end + 1);
      stream.held->stream.expires_never();
      co_return line;
    }
    searched = stream.received.size();
    if (searched > kAnswerBytesMax) co_return std::unexpected("a line of the answer is too long");
    if (stream.parser.is_done()) co_return std::unexpected("the answer has ended: " + stream.received);
    auto& room = stream.parser.get().body();
    room.data = stream.chunk.data();
    room.size = stream.chunk.size();
    const auto [error, count] =
        co_await http::async_read_some(stream.held->stream, stream.held->buffer, stream.parser, kAsTuple);
    if (error && error != http::error::need_buffer) co_return std::unexpected(error.message());
    stream.received.append(stream.chunk.data(), stream.chunk.size() - room.size);
  }
}

}  // namespace epic::cluster

// NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)

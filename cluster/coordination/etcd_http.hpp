#pragma once
// EtcdHttp: requests to one of several etcd servers, in the JSON that their gateway for HTTP/1.1 takes.
//
// One connection, which is kept, carries the requests, one at a time; each stream of answers has one of its own. All of
// them lead to the same server. One that cannot be reached, does not answer in time or answers that it has no leader is
// left for the next in the list, also by the streams: a server that answers nothing sends no changes either. An address
// may stand for several servers, of which only the one of a stream has gone: who follows it has to find that out.
//
// A request is sent once. If its connection is lost before the answer has come, nobody knows whether it was carried
// out, and it may still be carried out later. So a connection that has ended while it was idle is replaced first.
//
// Not here: what is asked (etcd_coordination.cpp). No TLS and no passwords: the servers are trusted as the network is.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace epic::cluster {

struct EtcdEndpoint {
  std::string host;
  std::uint16_t port = 2379;
  bool operator==(const EtcdEndpoint&) const = default;
};

/// "host", "host:port", "[::1]:2379", each with or without "http://". The error is a sentence.
[[nodiscard]] std::expected<EtcdEndpoint, std::string> parse_etcd_endpoint(std::string_view text);

/// On the io_context's only thread. The coroutines borrow the object: it outlives them.
class EtcdHttp {
 public:
  struct Answer {
    unsigned status = 0;
    std::string body;
  };
  /// The error says at which server what went wrong.
  template <class T>
  using Result = std::expected<T, std::string>;

  /// An endless answer, by line. Destroyed before the EtcdHttp.
  class Stream;
  struct CloseStream {
    void operator()(Stream* stream) const;
  };
  using StreamPointer = std::unique_ptr<Stream, CloseStream>;

  static constexpr std::size_t kAnswerBytesMax = 64u << 20;

  /// `answer_timeout`: for a connection, and for an answer.
  EtcdHttp(boost::asio::io_context& context, std::vector<EtcdEndpoint> endpoints,
           std::chrono::nanoseconds answer_timeout);
  ~EtcdHttp();
  EtcdHttp(const EtcdHttp&) = delete;
  EtcdHttp& operator=(const EtcdHttp&) = delete;

  /// One at a time.
  boost::asio::awaitable<Result<Answer>> post(std::string path, std::string body);
  boost::asio::awaitable<Result<StreamPointer>> open_stream(std::string path, std::string body);
  /// The next line, without a limit of time after the first. An error ends the stream.
  boost::asio::awaitable<Result<std::string>> next_line(Stream& stream);
  /// Ends it with an error.
  void end(Stream& stream);

  /// Ends everything that is under way with an error.
  void close();

 private:
  struct Connection;

  boost::asio::awaitable<Result<std::unique_ptr<Connection>>> connect();
  boost::asio::awaitable<std::string> try_connect(Connection& connection);
  boost::asio::awaitable<Result<Answer>> exchange(Connection& connection, std::string path, std::string body);
  void leave_server(std::size_t server);

  boost::asio::io_context& context_;
  std::vector<EtcdEndpoint> endpoints_;
  std::chrono::nanoseconds answer_timeout_;
  std::size_t server_ = 0;                  // in the list
  std::unique_ptr<Connection> connection_;  // for requests; null: none yet, or it was lost
  std::vector<Stream*> streams_;
  bool is_closed_ = false;
};

}  // namespace epic::cluster

#pragma once
// PgSession: an open connection to PostgreSQL on a thread that must not wait.
//
// Operations are sent one behind the other, without waiting for the answers of those before (libpq's pipeline mode). An
// operation is a list of statements, which are one transaction; it is answered as a whole.
//
// Invariant: each operation is answered once, in the order of the calls, and never before send() has returned. If the
//            connection is lost, all that were not answered are then: nobody knows what became of them.
// A server that is silent for the connection's silence() while it has something to answer counts as lost.
// Not here:  connecting, which may take long (PgConnection::open, on another thread).

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/postgres_connection.hpp"

namespace epic::cluster {

/// One thread, also for what is called back. Shared by its owner and the waits that are under way.
class PgSession : public std::enable_shared_from_this<PgSession> {
 public:
  /// The rows of each statement; or what the server has refused, and nothing has changed; or that it is lost.
  using Answer = std::move_only_function<void(std::expected<std::vector<storage::PgRows>, storage::PgFailure>)>;
  struct Events {
    std::function<void()> on_notification;            // from a channel that it listens to
    std::function<void(const std::string&)> on_lost;  // once, with why; after the last answer
  };

  /// Takes over a connection that has prepared the statements that it is to send.
  static std::shared_ptr<PgSession> start(boost::asio::io_context& context, storage::PgConnection connection,
                                          Events events);
  PgSession(boost::asio::io_context& context, storage::PgConnection connection, Events events);
  ~PgSession();

  void send(std::vector<storage::PgCall> calls, Answer answer);
  /// Ends like a lost connection, a little later.
  void fail(std::string why);
  /// Closes the connection. Nothing is called back any more.
  void close();

 private:
  struct Operation {
    Answer answer;
    std::vector<storage::PgRows> rows = {};
    std::optional<storage::PgFailure> failure = {};
  };

  bool write(const std::vector<storage::PgCall>& calls);
  void flush();
  void wait_to_read();
  void read();
  void take(pg_result* raw);
  void watch_silence();
  void lose(std::string why);

  boost::asio::posix::stream_descriptor socket_;
  const std::chrono::milliseconds silence_max_;
  boost::asio::steady_timer silence_;
  pg_conn* raw_;  // owned; null: lost, or closed
  Events events_;
  std::deque<Operation> under_way_;
  bool is_flushing_ = false;
  std::uint64_t silences_ = 0;  // that were watched for
};

}  // namespace epic::cluster

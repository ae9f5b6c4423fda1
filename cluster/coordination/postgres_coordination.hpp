#pragma once
// PostgresCoordination: coordination by a PostgreSQL database, the store's or another.
//
// Leases live by the server's clock (clock_timestamp()). If that is set forward, leases end early by as much, and if it
// is set back, late: a holder that does not rely on its lease longer than it was granted may be taken for dead while it
// lives, and the place of a dead one stays taken. Nothing is written twice: the store fences
// (storage/postgres_store.hpp). After a restart of the server, when a standby takes over, and after 2.5 s in which the
// server has answered nobody, all leases count as just renewed: nobody could renew them.
//
// Each change has a number, and is kept for a while. Watchers read what came after the last one that they know, when
// the server hints at something new (NOTIFY), when the next lease could end, and every few seconds; so a lost hint
// loses nothing, and a new connection goes on from there. Who is too far behind reads all keys, and hears of the
// differences.
//
// A connection that is lost is replaced, after a delay that grows. First its session is ended on the server, so that
// nothing that was begun on it takes effect later than what follows. One that breaks silently is given up while there
// is time to renew a lease through the next. If the next answers nothing either, the server may be slow: each one waits
// twice as long as the one before, up to 5 s, until there is an answer.
//
// Not here:  the connection (postgres_session.hpp), the statements (postgres_coordination_sql.hpp).

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/coordination/coordination.hpp"
#include "cluster/coordination/postgres_session.hpp"

namespace epic::cluster {

/// Used on the thread that runs the context. It is not destroyed by what it calls back.
class PostgresCoordination final : public Coordination {
 public:
  /// Begins to connect. Operations wait for that; if it fails they are answered with an error, and it is tried again.
  /// The role needs the rights that a store needs (runtime/storage/README.md), and the schema `epic` of the database.
  /// `lease`: the shortest that is opened. A connection without an answer for a third of it, 5 s at most, is replaced:
  /// so a renewal that was lost with it can be made again in time.
  PostgresCoordination(boost::asio::io_context& context, std::string url, std::chrono::nanoseconds lease);
  /// Waits for an attempt to connect that is under way, a few seconds at most. What is open is not answered any more.
  ~PostgresCoordination() override;

  void open_lease(std::chrono::nanoseconds timeout, Done<LeaseId> done) override;
  void renew(LeaseId lease, Done<bool> done) override;
  void revoke(LeaseId lease, Done<void> done) override;
  void put_if_absent(std::string_view key, std::string_view value, LeaseId lease, Done<bool> done) override;
  void watch(std::string_view prefix, Watcher watcher) override;

  /// Why nothing can be asked; empty: an operation was answered since, or the first attempt to connect has not ended.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  using Calls = std::vector<storage::PgCall>;
  struct Begun {
    Calls calls;
    PgSession::Answer answer;
  };
  /// Up to which change everything is known.
  struct Place {
    std::int64_t revision;
    std::int64_t mark;
  };
  struct Known {
    std::string value;
    std::int64_t revision;
    bool operator==(const Known&) const = default;
  };
  struct Watch {
    std::string prefix;
    Watcher watcher;
    bool is_listing = false;
    std::optional<std::int64_t> listed_at = {};  // a revision; empty: it has not heard yet of what is there
    std::map<std::string, Known> known = {};
  };
  enum class Poll : std::uint8_t { hinted, due };

  // ---- the connection
  void connect();
  void on_connected(std::expected<storage::PgConnection, storage::StoreError> connected);
  void on_answered();
  void on_lost(const std::string& why);
  void retry_later(std::string why);
  void answer_waiting(const std::string& why);
  template <class Result, class Read>
  void begin(storage::PgCall call, Done<Result> done, Read read);
  void begin(Calls calls, PgSession::Answer answer);
  void send_waiting();
  [[nodiscard]] CoordinationError error_of(const storage::PgFailure& failure) const;

  // ---- what changes
  bool has_answer(const std::expected<std::vector<storage::PgRows>, storage::PgFailure>& rows);
  void list(Watch& watch);
  void poll(Poll why);
  void on_changes(const std::vector<storage::PgRows>& rows);
  void read_anew();
  void on_state(const storage::PgRows& keys);
  void change(Watch& watch, const std::string& key, std::optional<Known> now);
  void await_soonest_end(const storage::PgRows& rows);
  void await_next_poll();

  boost::asio::io_context& context_;
  const std::string url_;
  const std::int64_t client_;  // as the server knows it, through all connections
  std::shared_ptr<const int> alive_ = std::make_shared<const int>(0);  // shared with what was posted; gone: so is this
  std::string trouble_;
  std::shared_ptr<PgSession> session_;  // null: there is no connection
  std::thread connecting_;
  std::chrono::milliseconds retry_delay_;  // grows as well
  const std::chrono::milliseconds silence_first_;
  std::chrono::milliseconds silence_;  // of the next connection; it grows until one has answered
  boost::asio::steady_timer retry_timer_;
  std::deque<Begun> waiting_;  // to be sent
  std::size_t under_way_ = 0;
  bool is_sending_later_ = false;
  std::list<Watch> watches_;    // they stay where they are, also when a watcher begins another watch
  std::optional<Place> place_;  // empty: nobody watches yet
  std::optional<Poll> next_poll_;
  bool is_polling_ = false;
  boost::asio::steady_timer poll_timer_;
  boost::asio::steady_timer end_timer_;
};

/// Connects to the database once, waiting a few seconds at most, and changes nothing. The error is a sentence.
[[nodiscard]] std::expected<void, std::string> try_postgres_coordination(const std::string& url);

}  // namespace epic::cluster

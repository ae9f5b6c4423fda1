#include "cluster/coordination/postgres_coordination.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "cluster/coordination/postgres_coordination_format.hpp"
#include "cluster/coordination/postgres_coordination_sql.hpp"
#include "io/random.hpp"
#include "storage/row_checksum.hpp"

namespace epic::cluster {

namespace {

using namespace std::chrono_literals;
using storage::PgCall;
using storage::PgConnection;
using storage::PgFailure;
using storage::PgParams;
using storage::PgRows;
using storage::StoreError;

constexpr auto kPollEvery = 2s;
constexpr auto kRetryDelayFirst = 20ms;
constexpr auto kRetryDelayMax = 2'000ms;
constexpr std::size_t kOperationsMax = 10'000;
constexpr int kSilencesPerLease = 3;

std::string bytes_in(const PgRows& rows, std::size_t row, int column) { return std::string(rows.text(row, column)); }

/// Of one transaction, after those of all others.
std::vector<PgCall> alone(PgCall call) {
  return {{&pg::kLock}, {&pg::kRenewAfterAbsence}, {&pg::kSweep}, std::move(call)};
}

}  // namespace

PostgresCoordination::PostgresCoordination(boost::asio::io_context& context, std::string url,
                                           std::chrono::nanoseconds lease)
    : context_(context),
      url_(std::move(url)),
      client_(storage::to_signed(io::random_id())),
      retry_delay_(kRetryDelayFirst),
      silence_first_(std::min(storage::kCoordinationSilenceMax,
                              std::chrono::ceil<std::chrono::milliseconds>(lease / kSilencesPerLease))),
      silence_(silence_first_),
      retry_timer_(context),
      poll_timer_(context),
      end_timer_(context) {
  connect();
}

PostgresCoordination::~PostgresCoordination() {
  alive_.reset();
  if (connecting_.joinable()) connecting_.join();
  if (session_) session_->close();
}

// ---- operations ----

void PostgresCoordination::open_lease(std::chrono::nanoseconds timeout, Done<LeaseId> done) {
  const auto microseconds = std::chrono::ceil<std::chrono::microseconds>(timeout).count();
  begin<LeaseId>({&pg::kOpenLease, PgParams().add(std::int64_t{microseconds})}, std::move(done),
                 [](const PgRows& rows) { return LeaseId{storage::to_unsigned(rows.integer(0, 0))}; });
}

void PostgresCoordination::renew(LeaseId lease, Done<bool> done) {
  begin<bool>({&pg::kRenew, PgParams().add(storage::to_signed(lease.value))}, std::move(done),
              [](const PgRows& rows) { return rows.size() == 1; });
}

void PostgresCoordination::revoke(LeaseId lease, Done<void> done) {
  begin<void>({&pg::kRevoke, PgParams().add(storage::to_signed(lease.value))}, std::move(done),
              [](const PgRows&) { return std::expected<void, CoordinationError>(); });
}

void PostgresCoordination::put_if_absent(std::string_view key, std::string_view value, LeaseId lease, Done<bool> done) {
  begin<bool>({&pg::kPut, PgParams().add(key).add(value).add(storage::to_signed(lease.value))}, std::move(done),
              [](const PgRows& rows) { return rows.size() == 1; });
}

template <class Result, class Read>
void PostgresCoordination::begin(PgCall call, Done<Result> done, Read read) {
  using Outcome = std::expected<Result, CoordinationError>;
  if (waiting_.size() + under_way_ >= kOperationsMax) {
    auto refused =
        std::unexpected(CoordinationError{fmt::format("{} operations wait for '{}'.", kOperationsMax, url_)});
    return boost::asio::post(
        context_, [alive = std::weak_ptr(alive_), done = std::move(done), refused = std::move(refused)]() mutable {
          if (!alive.expired()) done(std::move(refused));
        });
  }
  auto answer = [this, done = std::move(done), read](std::expected<std::vector<PgRows>, PgFailure> rows) mutable {
    if (!rows) return done(std::unexpected(error_of(rows.error())));
    done(Outcome(read(rows->back())));
  };
  begin(alone(std::move(call)), std::move(answer));
}

CoordinationError PostgresCoordination::error_of(const PgFailure& failure) const {
  if (!failure.is_lost())
    return {PgConnection::error(url_, storage::PgAccess::coordinate, "carry out an operation", failure).message};
  if (!session_) return {failure.message};  // it was never sent
  return {fmt::format(
      "the connection to the coordination database '{}' was lost: {}. Nobody knows whether the operation took effect.",
      url_, failure.message)};
}

void PostgresCoordination::begin(Calls calls, PgSession::Answer answer) {
  waiting_.push_back({std::move(calls), std::move(answer)});
  if (std::exchange(is_sending_later_, true)) return;
  boost::asio::post(context_, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    is_sending_later_ = false;
    send_waiting();
  });
}

void PostgresCoordination::send_waiting() {
  if (!session_) return;
  for (Begun& begun : std::exchange(waiting_, {})) {
    ++under_way_;
    session_->send(std::move(begun.calls), [this, answer = std::move(begun.answer)](auto rows) mutable {
      --under_way_;
      if (rows) on_answered();
      answer(std::move(rows));
    });
  }
}

// ---- the connection ----

void PostgresCoordination::connect() {
  const auto silence = std::exchange(silence_, std::min(silence_ * 2, storage::kCoordinationSilenceMax));
  connecting_ =
      std::thread([this, silence, alive = std::weak_ptr(alive_), work = boost::asio::make_work_guard(context_)] {
        auto connected = open_coordination(url_, client_, silence);
        boost::asio::post(context_, [this, alive, connected = std::move(connected)]() mutable {
          if (!alive.expired()) on_connected(std::move(connected));
        });
      });
}

void PostgresCoordination::on_connected(std::expected<PgConnection, StoreError> connected) {
  connecting_.join();
  if (!connected) {
    answer_waiting(connected.error().message);
    return retry_later(connected.error().message);
  }
  session_ = PgSession::start(
      context_, *std::move(connected),
      {.on_notification = [this] { poll(Poll::hinted); }, .on_lost = [this](const std::string& why) { on_lost(why); }});
  // Before what was begun meanwhile: first the changes that were missed, then what watchers have not heard at all.
  auto later = std::exchange(waiting_, {});
  poll(Poll::due);
  for (Watch& watch : watches_)
    if (!watch.listed_at && !watch.is_listing) list(watch);
  for (Begun& begun : later) waiting_.push_back(std::move(begun));
  send_waiting();
  await_next_poll();
}

/// A server may take connections, and refuse what is asked of it.
void PostgresCoordination::on_answered() {
  trouble_.clear();
  retry_delay_ = kRetryDelayFirst;
  silence_ = silence_first_;
}

/// All that was under way has been answered.
void PostgresCoordination::on_lost(const std::string& why) {
  session_.reset();
  poll_timer_.cancel();
  end_timer_.cancel();
  retry_later(fmt::format("the connection to the coordination database '{}' was lost: {}", url_, why));
}

void PostgresCoordination::retry_later(std::string why) {
  trouble_ = std::move(why);
  retry_timer_.expires_after(retry_delay_);
  retry_delay_ = std::min(retry_delay_ * 2, std::chrono::milliseconds(kRetryDelayMax));
  retry_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) connect();
  });
}

void PostgresCoordination::answer_waiting(const std::string& why) {
  for (Begun& begun : std::exchange(waiting_, {})) begun.answer(std::unexpected(PgFailure{.message = why}));
}

// ---- what changes ----

void PostgresCoordination::watch(std::string_view prefix, Watcher watcher) {
  list(watches_.emplace_back(std::string(prefix), std::move(watcher)));
}

void PostgresCoordination::list(Watch& watch) {
  watch.is_listing = true;
  begin(alone({&pg::kReadKeys, PgParams().add(watch.prefix)}), [this, &watch](auto rows) {
    watch.is_listing = false;
    if (!has_answer(rows)) return;
    const PgRows& keys = rows->back();
    watch.listed_at = keys.integer(0, 0);
    // Polls are sent one behind the other with this, so none that has been answered can have been ahead of it.
    if (!place_) place_ = Place{keys.integer(0, 0), keys.integer(0, 1)};
    for (std::size_t i = 0; i < keys.size() && !keys.is_null(i, 2); ++i)
      change(watch, bytes_in(keys, i, 2), Known{bytes_in(keys, i, 3), keys.integer(i, 4)});
    poll(Poll::hinted);  // to know when the next lease could end
  });
}

/// Of what this has begun itself. If not, it is begun again with the next connection.
bool PostgresCoordination::has_answer(const std::expected<std::vector<PgRows>, PgFailure>& rows) {
  if (!rows && !rows.error().is_lost()) session_->fail(rows.error().message);
  return rows.has_value();
}

/// A poll that is due also ends the leases that are overdue.
void PostgresCoordination::poll(Poll why) {
  if (!place_ || !session_) return;
  if (is_polling_) {
    next_poll_ = std::max(next_poll_.value_or(why), why);
    return;
  }
  is_polling_ = true;
  PgCall changes{&pg::kReadChanges, PgParams().add(place_->revision)};
  Calls calls = why == Poll::due ? alone(std::move(changes)) : Calls{std::move(changes)};
  calls.push_back({&pg::kReadSoonestEnd});
  begin(std::move(calls), [this](auto rows) {
    is_polling_ = false;
    const auto next = std::exchange(next_poll_, std::nullopt);
    if (!has_answer(rows)) return;
    on_changes(*rows);
    if (next) poll(*next);
  });
}

void PostgresCoordination::on_changes(const std::vector<PgRows>& rows) {
  const PgRows& changes = rows[rows.size() - 2];
  await_soonest_end(rows.back());
  const bool goes_on =
      changes.size() > 0 && changes.integer(0, 0) == place_->revision && changes.integer(0, 1) == place_->mark;
  if (!goes_on) return read_anew();
  for (std::size_t i = 1; i < changes.size(); ++i) {
    place_ = Place{changes.integer(i, 0), changes.integer(i, 1)};
    const std::string key = bytes_in(changes, i, 2);
    for (Watch& watch : watches_) {
      if (!watch.listed_at || *watch.listed_at >= place_->revision || !key.starts_with(watch.prefix)) continue;
      change(watch, key,
             changes.is_null(i, 3) ? std::nullopt : std::optional(Known{bytes_in(changes, i, 3), place_->revision}));
    }
  }
  if (changes.size() == pg::kChangesReadMax) poll(Poll::hinted);
}

/// The database has forgotten what came next, or has lost something and gone on.
void PostgresCoordination::read_anew() {
  is_polling_ = true;
  begin(alone({&pg::kReadKeys, PgParams().add("")}), [this](auto rows) {
    is_polling_ = false;
    if (!has_answer(rows)) return;
    on_state(rows->back());
    poll(std::exchange(next_poll_, std::nullopt).value_or(Poll::hinted));
  });
}

void PostgresCoordination::on_state(const PgRows& keys) {
  place_ = Place{keys.integer(0, 0), keys.integer(0, 1)};
  std::map<std::string, Known> there;
  for (std::size_t i = 0; i < keys.size() && !keys.is_null(i, 2); ++i)
    there.emplace(bytes_in(keys, i, 2), Known{bytes_in(keys, i, 3), keys.integer(i, 4)});
  for (Watch& watch : watches_) {
    if (!watch.listed_at) continue;
    watch.listed_at = place_->revision;
    for (const auto& [key, before] : std::map(watch.known))
      if (const auto now = there.find(key); now == there.end() || now->second != before) change(watch, key, {});
    for (const auto& [key, now] : there)
      if (key.starts_with(watch.prefix) && !watch.known.contains(key)) change(watch, key, now);
  }
}

void PostgresCoordination::change(Watch& watch, const std::string& key, std::optional<Known> now) {
  const CoordinationChange told{key, now ? std::optional(now->value) : std::nullopt};
  if (now)
    watch.known.insert_or_assign(key, *std::move(now));
  else
    watch.known.erase(key);
  watch.watcher(told);
}

void PostgresCoordination::await_soonest_end(const PgRows& rows) {
  end_timer_.cancel();
  if (rows.is_null(0, 0)) return;
  end_timer_.expires_after(std::chrono::milliseconds(std::clamp<std::int64_t>(rows.integer(0, 0), 1, 3'600'000)));
  end_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) poll(Poll::due);
  });
}

void PostgresCoordination::await_next_poll() {
  poll_timer_.expires_after(kPollEvery);
  poll_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    poll(Poll::due);
    await_next_poll();
  });
}

std::expected<void, std::string> try_postgres_coordination(const std::string& url) {
  const auto opened = PgConnection::open(url, storage::PgAccess::coordinate);
  if (!opened) return std::unexpected(opened.error().message);
  return {};
}

}  // namespace epic::cluster

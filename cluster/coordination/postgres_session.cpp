#include "cluster/coordination/postgres_session.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "kernel/assert.hpp"
#include "storage/postgres_library.hpp"

namespace epic::cluster {

namespace {

using storage::libpq;
using storage::PgCall;
using storage::PgFailure;
using storage::PgRows;

std::string pg_line(const char* text) {
  std::string line(text == nullptr ? "" : text);
  line = line.substr(0, line.find('\n'));
  return line.empty() ? "the connection is closed" : line;
}

}  // namespace

std::shared_ptr<PgSession> PgSession::start(boost::asio::io_context& context, storage::PgConnection connection,
                                            Events events) {
  auto session = std::make_shared<PgSession>(context, std::move(connection), std::move(events));
  session->wait_to_read();
  return session;
}

PgSession::PgSession(boost::asio::io_context& context, storage::PgConnection connection, Events events)
    : socket_(context),
      silence_max_(connection.silence()),
      silence_(context),
      raw_(std::move(connection).release()),
      events_(std::move(events)) {
  socket_.assign(libpq().PQsocket(raw_));
}

PgSession::~PgSession() { close(); }

void PgSession::close() {
  if (raw_ == nullptr) return;
  silence_.cancel();
  socket_.release();  // it is libpq's, and closed by it
  libpq().PQfinish(std::exchange(raw_, nullptr));
  under_way_.clear();
}

void PgSession::send(std::vector<PgCall> calls, Answer answer) {
  EPIC_ASSERT(raw_ != nullptr, "a session is used after it was lost");
  under_way_.push_back({std::move(answer)});
  if (!write(calls)) return fail(pg_line(libpq().PQerrorMessage(raw_)));
  if (under_way_.size() == 1) watch_silence();
  flush();
}

bool PgSession::write(const std::vector<PgCall>& calls) {
  for (const PgCall& call : calls) {
    std::vector<const char*> values;
    std::vector<int> lengths;
    for (int i = 0; i < call.params.size(); ++i) {
      const std::string& value = call.params.value(static_cast<std::size_t>(i));
      values.push_back(value.data());
      lengths.push_back(static_cast<int>(value.size()));
    }
    const std::vector<int> formats(values.size(), 1);
    if (libpq().PQsendQueryPrepared(raw_, call.statement->name, call.params.size(), values.data(), lengths.data(),
                                    formats.data(), /*resultFormat=*/1) != 1)
      return false;
  }
  return libpq().PQpipelineSync(raw_) == 1;
}

/// What does not fit into the socket now is written when it does.
void PgSession::flush() {
  if (is_flushing_ || libpq().PQflush(raw_) <= 0) return;  // a broken connection is noticed by reading
  is_flushing_ = true;
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                     [self = shared_from_this()](const boost::system::error_code&) {
                       self->is_flushing_ = false;
                       if (self->raw_ != nullptr) self->flush();
                     });
}

void PgSession::wait_to_read() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code&) {
                       if (self->raw_ != nullptr) self->read();
                     });
}

void PgSession::read() {
  if (libpq().PQconsumeInput(raw_) != 1) return lose(pg_line(libpq().PQerrorMessage(raw_)));
  if (!under_way_.empty()) watch_silence();
  while (!under_way_.empty() && libpq().PQisBusy(raw_) == 0) {
    pg_result* const raw = libpq().PQgetResult(raw_);
    take(raw);
    if (raw_ == nullptr) return;
  }
  if (under_way_.empty()) silence_.cancel();
  bool is_notified = false;
  while (PGnotify* const notification = libpq().PQnotifies(raw_)) {
    libpq().PQfreemem(notification);
    is_notified = true;
  }
  if (is_notified) events_.on_notification();
  if (raw_ == nullptr) return;
  flush();
  wait_to_read();
}

/// One result of the operation that is the first under way; null ends those of a statement.
void PgSession::take(pg_result* raw) {
  PgRows rows(raw);
  if (libpq().PQstatus(raw_) == CONNECTION_BAD)
    return lose(pg_line(raw == nullptr ? nullptr : libpq().PQresultErrorMessage(raw)));
  if (raw == nullptr) return;
  Operation& operation = under_way_.front();
  switch (libpq().PQresultStatus(raw)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
      operation.rows.push_back(std::move(rows));
      return;
    case PGRES_PIPELINE_ABORTED:
      return;
    case PGRES_PIPELINE_SYNC: {  // from here on it is committed, or rolled back
      Operation done = std::move(operation);
      under_way_.pop_front();
      if (done.failure)
        done.answer(std::unexpected(*std::move(done.failure)));
      else
        done.answer(std::move(done.rows));
      return;
    }
    default:
      break;
  }
  const char* const state = libpq().PQresultErrorField(raw, PG_DIAG_SQLSTATE);
  const char* const message = libpq().PQresultErrorField(raw, PG_DIAG_MESSAGE_PRIMARY);
  if (state == nullptr) return lose(pg_line(libpq().PQresultErrorMessage(raw)));
  if (!operation.failure)
    operation.failure = {.call = operation.rows.size(),
                         .state = state,
                         .message = message == nullptr ? pg_line(libpq().PQresultErrorMessage(raw)) : message};
}

/// From now on, until it is cancelled.
void PgSession::watch_silence() {
  silence_.expires_after(silence_max_);
  silence_.async_wait([self = shared_from_this(), began = ++silences_](const boost::system::error_code& error) {
    if (error || self->under_way_.empty() || began != self->silences_) return;
    self->lose(storage::PgConnection::silence_text(self->silence_max_));
  });
}

void PgSession::fail(std::string why) {
  boost::asio::post(socket_.get_executor(),
                    [self = shared_from_this(), why = std::move(why)]() mutable { self->lose(std::move(why)); });
}

void PgSession::lose(std::string why) {
  if (raw_ == nullptr) return;
  const auto lost = shared_from_this();
  auto unanswered = std::exchange(under_way_, {});
  close();
  for (Operation& operation : unanswered) operation.answer(std::unexpected(PgFailure{.message = why}));
  events_.on_lost(why);
}

}  // namespace epic::cluster

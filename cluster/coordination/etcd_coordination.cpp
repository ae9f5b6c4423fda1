#include "cluster/coordination/etcd_coordination.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include "cluster/coordination/etcd_http.hpp"
#include "cluster/coordination/etcd_messages.hpp"
#include "cluster/coordination/etcd_watch.hpp"
#include "codec/described_json.hpp"
#include "reflect/try.hpp"

// What coroutines here refer to lives in the frame or in the queue of who awaits them.
// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)

namespace epic::cluster {

namespace asio = boost::asio;

namespace {

using namespace std::chrono_literals;

/// Before a read or a watch that has failed is tried again.
constexpr auto kRetryDelay = 100ms;

template <class Result>
using Expected = std::expected<Result, CoordinationError>;

/// One who watches, and what it has heard.
struct Listener {
  EtcdWatch heard;
  Coordination::Watcher watcher;
  EtcdHttp::Stream* stream = nullptr;  // while it follows the changes
  std::optional<std::uint64_t> behind_at =
      {};  // the revision that it had heard when a check found it to lack something
};

struct OpenLease {
  std::uint64_t seconds;
  Coordination::Done<LeaseId> done;
};
struct Renew {
  LeaseId lease;
  Coordination::Done<bool> done;
};
struct Revoke {
  LeaseId lease;
  Coordination::Done<void> done;
};
struct Put {
  std::string key;
  std::string value;
  LeaseId lease;
  Coordination::Done<bool> done;
};
/// Begins a watch, or begins it again.
struct Read {
  std::shared_ptr<Listener> listener;
};
/// Is the server that the watches use still one, and do they hear of everything?
struct Check {};

using Operation = std::variant<OpenLease, Renew, Revoke, Put, Read, Check>;

CoordinationError error_from(const EtcdHttp::Answer& answer) {
  const auto failure = codec::read_described_text<etcd::Failure>(answer.body);
  return {fmt::format("etcd answered {}: {}", answer.status,
                      failure && !failure->message.empty() ? failure->message : answer.body)};
}

bool is_not_found(const EtcdHttp::Answer& answer) {
  const auto failure = codec::read_described_text<etcd::Failure>(answer.body);
  return answer.status == 404 && failure && failure->code == etcd::kNotFound;
}

}  // namespace

/// Its coroutines take the shared pointer that keeps it alive until they end.
struct EtcdCoordination::State {
  using Self = std::shared_ptr<State>;

  State(asio::io_context& io, std::vector<EtcdEndpoint> endpoints, const EtcdOptions& options)
      : context(io),
        http(io, std::move(endpoints), options.answer_timeout),
        root("/epic/" + options.name + "/"),
        check_interval(options.answer_timeout / 2),
        check_timer(io) {}

  static void begin(const Self& self, Operation operation);
  static asio::awaitable<void> run(Self self);
  static asio::awaitable<void> carry_out(Self self, OpenLease& operation);
  static asio::awaitable<void> carry_out(Self self, Renew& operation);
  static asio::awaitable<void> carry_out(Self self, Revoke& operation);
  static asio::awaitable<void> carry_out(Self self, Put& operation);
  static asio::awaitable<void> carry_out(Self self, Read& operation);
  static asio::awaitable<void> carry_out(Self self, Check& operation);
  static void abandon(const Self& self, Operation& operation, const CoordinationError& error);

  static asio::awaitable<void> follow(Self self, std::shared_ptr<Listener> listener);
  static asio::awaitable<void> read_later(Self self, std::shared_ptr<Listener> listener);
  static asio::awaitable<void> keep_checking(Self self);

  asio::awaitable<Expected<EtcdHttp::Answer>> ask(std::string path, std::string body);
  template <class Message>
  asio::awaitable<Expected<Message>> ask_for(std::string path, std::string body);
  asio::awaitable<Expected<void>> remove_keys(LeaseId lease);
  asio::awaitable<Expected<void>> end_lease(LeaseId lease);
  asio::awaitable<bool> tell_changes(Listener& listener, EtcdHttp::Stream& stream);
  void tell(const Listener& listener, const EtcdWatch::Changes& changes) const;
  template <class Result>
  void answer(Done<Result>& done, std::type_identity_t<Expected<Result>> result) const {
    if (!is_closed) done(std::move(result));
  }

  asio::io_context& context;
  EtcdHttp http;
  std::string root;
  std::chrono::nanoseconds check_interval;
  asio::steady_timer check_timer;
  bool is_checking = false;
  std::vector<std::shared_ptr<Listener>> listeners;  // shared with the coroutine that reads for it, or follows
  std::deque<Operation> waiting;
  std::deque<Operation> abandoned;  // they waited behind one whose answer did not come
  bool is_running = false;
  bool is_closed = false;
  std::map<LeaseId, std::vector<std::string>> keys;  // put by this object, in that order; some may not be there
};

void EtcdCoordination::State::begin(const Self& self, Operation operation) {
  self->waiting.push_back(std::move(operation));
  if (!std::exchange(self->is_running, true)) asio::co_spawn(self->context, run(self), asio::detached);
}

asio::awaitable<void> EtcdCoordination::State::run(Self self) {
  co_await asio::post(self->context, asio::use_awaitable);  // nothing is answered inside the call that began it
  while (!self->is_closed && !self->waiting.empty()) {
    Operation next = std::move(self->waiting.front());
    self->waiting.pop_front();
    co_await std::visit([&](auto& operation) { return carry_out(self, operation); }, next);
    const CoordinationError error{"an operation that was begun before got no answer from etcd"};
    for (Operation& operation : std::exchange(self->abandoned, {})) abandon(self, operation, error);
  }
  self->is_running = false;
}

/// Without an answer, what waits is not asked for: it would not be known to come after this.
asio::awaitable<Expected<EtcdHttp::Answer>> EtcdCoordination::State::ask(std::string path, std::string body) {
  auto answer = co_await http.post("/v3/" + path, std::move(body));
  if (answer) co_return std::move(*answer);
  abandoned = std::exchange(waiting, {});
  co_return std::unexpected(CoordinationError{std::move(answer).error()});
}

template <class Message>
asio::awaitable<Expected<Message>> EtcdCoordination::State::ask_for(std::string path, std::string body) {
  auto answer = co_await ask(std::move(path), std::move(body));
  if (!answer) co_return std::unexpected(std::move(answer).error());
  if (answer->status != 200) co_return std::unexpected(error_from(*answer));
  auto message = codec::read_described_text<Message>(answer->body);
  if (!message)
    co_return std::unexpected(CoordinationError{"etcd has sent an answer that cannot be read: " + message.error()});
  co_return std::move(*message);
}

void EtcdCoordination::State::abandon(const Self& self, Operation& operation, const CoordinationError& error) {
  if (auto* const read = std::get_if<Read>(&operation))
    return asio::co_spawn(self->context, read_later(self, read->listener), asio::detached);
  std::visit(
      [&](auto& begun) {
        if constexpr (requires { begun.done; }) self->answer(begun.done, std::unexpected(error));
      },
      operation);
}

asio::awaitable<void> EtcdCoordination::State::carry_out(Self self, OpenLease& operation) {
  const auto granted = co_await self->ask_for<etcd::LeaseGranted>("lease/grant", etcd::grant_lease(operation.seconds));
  if (!granted) co_return self->answer(operation.done, std::unexpected(granted.error()));
  self->answer(operation.done, LeaseId{etcd::number_of(granted->ID)});
}

asio::awaitable<void> EtcdCoordination::State::carry_out(Self self, Renew& operation) {
  const auto kept = co_await self->ask_for<etcd::LeaseKept>("lease/keepalive", etcd::name_lease(operation.lease.value));
  if (!kept) co_return self->answer(operation.done, std::unexpected(kept.error()));
  const bool is_there = etcd::number_of(kept->result.TTL) > 0;
  if (!is_there) self->keys.erase(operation.lease);
  self->answer(operation.done, is_there);
}

asio::awaitable<void> EtcdCoordination::State::carry_out(Self self, Put& operation) {
  auto& [key, value, lease, done] = operation;
  const auto answer = co_await self->ask("kv/txn", etcd::put_if_absent(self->root + key, value, lease.value));
  if (!answer || answer->status == 200) self->keys[lease].push_back(self->root + key);
  if (!answer) co_return self->answer(done, std::unexpected(answer.error()));
  if (is_not_found(*answer)) co_return self->answer(done, false);
  if (answer->status != 200) co_return self->answer(done, std::unexpected(error_from(*answer)));
  const auto put = codec::read_described_text<etcd::TransactionDone>(answer->body);
  self->answer(done, put && put->succeeded);
}

asio::awaitable<void> EtcdCoordination::State::carry_out(Self self, Revoke& operation) {
  auto ended = co_await self->remove_keys(operation.lease);
  if (ended) ended = co_await self->end_lease(operation.lease);
  if (ended) self->keys.erase(operation.lease);
  self->answer(operation.done, std::move(ended));
}

/// In order, which ending the lease would not keep.
asio::awaitable<Expected<void>> EtcdCoordination::State::remove_keys(LeaseId lease) {
  const std::vector<std::string> all = keys[lease];
  for (std::size_t from = 0; from < all.size(); from += kKeysAtOnceMax) {
    const std::vector<std::string> some(
        all.begin() + static_cast<std::ptrdiff_t>(from),
        all.begin() + static_cast<std::ptrdiff_t>(std::min(from + kKeysAtOnceMax, all.size())));
    const auto removed = co_await ask_for<etcd::TransactionDone>("kv/txn", etcd::remove_held(some, lease.value));
    if (!removed) co_return std::unexpected(removed.error());
  }
  co_return Expected<void>();
}

asio::awaitable<Expected<void>> EtcdCoordination::State::end_lease(LeaseId lease) {
  const auto answer = co_await ask("lease/revoke", etcd::name_lease(lease.value));
  if (!answer) co_return std::unexpected(answer.error());
  if (answer->status != 200 && !is_not_found(*answer)) co_return std::unexpected(error_from(*answer));
  co_return Expected<void>();
}

asio::awaitable<void> EtcdCoordination::State::carry_out(Self self, Read& operation) {
  const std::shared_ptr<Listener> listener = operation.listener;
  const auto range = co_await self->ask_for<etcd::Range>("kv/range", etcd::read_all(listener->heard.prefix()));
  if (self->is_closed) co_return;
  if (!range) co_return asio::co_spawn(self->context, read_later(self, listener), asio::detached);
  self->tell(*listener, listener->heard.on_read(*range));
  asio::co_spawn(self->context, follow(self, listener), asio::detached);
}

asio::awaitable<void> EtcdCoordination::State::read_later(Self self, std::shared_ptr<Listener> listener) {
  asio::steady_timer timer(self->context, kRetryDelay);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!self->is_closed) begin(self, Read{std::move(listener)});
}

asio::awaitable<void> EtcdCoordination::State::follow(Self self, std::shared_ptr<Listener> listener) {
  asio::steady_timer timer(self->context);
  while (!self->is_closed) {
    const EtcdWatch& heard = listener->heard;
    auto stream = co_await self->http.open_stream("/v3/watch", etcd::watch_from(heard.prefix(), heard.revision() + 1));
    if (stream) {
      listener->stream = stream->get();
      const bool is_complete = co_await self->tell_changes(*listener, **stream);
      listener->stream = nullptr;
      if (!is_complete) co_return begin(self, Read{std::move(listener)});
    }
    if (self->is_closed) co_return;
    timer.expires_after(kRetryDelay);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

/// True when the stream has ended, and another may go on from there; false if changes are missing.
asio::awaitable<bool> EtcdCoordination::State::tell_changes(Listener& listener, EtcdHttp::Stream& stream) {
  while (true) {
    const auto line = co_await http.next_line(stream);
    if (!line || is_closed) co_return true;
    const auto read = codec::read_described_text<etcd::WatchLine>(*line);
    if (!read || !read->result) co_return true;
    const etcd::WatchNews& news = *read->result;
    // A server that was restored from a copy would say nothing until it has made up for what it has lost.
    if (news.created && etcd::number_of(news.header.revision) < listener.heard.revision()) co_return false;
    if (news.canceled) co_return news.compact_revision.empty();
    tell(listener, listener.heard.on_events(news.events));
  }
}

void EtcdCoordination::State::tell(const Listener& listener, const EtcdWatch::Changes& changes) const {
  for (const CoordinationChange& change : changes)
    if (!is_closed) listener.watcher(change);
}

/// A server that does not answer is left, by the streams as well. A stream through which nothing has come since the
/// check before, though something is missing, has lost its server while others answer.
asio::awaitable<void> EtcdCoordination::State::carry_out(Self self, Check&) {
  for (std::size_t i = 0; i < self->listeners.size(); ++i) {
    const std::shared_ptr<Listener> listener = self->listeners[i];
    const auto newest = co_await self->ask_for<etcd::Range>("kv/range", etcd::read_newest(listener->heard.prefix()));
    if (!newest || self->is_closed) co_return;
    const std::uint64_t heard = listener->heard.revision();
    const bool is_behind = listener->stream != nullptr && !listener->heard.has_heard(*newest);
    const auto before = std::exchange(listener->behind_at, is_behind ? std::optional(heard) : std::nullopt);
    if (is_behind && before == heard) self->http.end(*listener->stream);
  }
}

asio::awaitable<void> EtcdCoordination::State::keep_checking(Self self) {
  while (!self->is_closed) {
    self->check_timer.expires_after(self->check_interval);
    co_await self->check_timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!self->is_closed && !self->is_running) begin(self, Check{});
  }
}

std::expected<std::unique_ptr<EtcdCoordination>, std::string> EtcdCoordination::make(asio::io_context& context,
                                                                                     const EtcdOptions& options) {
  if (options.endpoints.empty()) return std::unexpected("no address of an etcd server is given");
  if (options.name.empty() || options.name.contains('/'))
    return std::unexpected(fmt::format("'{}' cannot name keys in etcd: it is empty or has a '/'", options.name));
  std::vector<EtcdEndpoint> endpoints;
  for (const std::string& text : options.endpoints) endpoints.push_back(EPIC_TRY(parse_etcd_endpoint(text)));
  return std::unique_ptr<EtcdCoordination>(
      new EtcdCoordination(std::make_shared<State>(context, std::move(endpoints), options)));
}

EtcdCoordination::~EtcdCoordination() {
  state_->is_closed = true;
  state_->http.close();
  state_->check_timer.cancel();
}

void EtcdCoordination::open_lease(std::chrono::nanoseconds timeout, Done<LeaseId> done) {
  const auto seconds = std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(timeout).count());
  State::begin(state_, OpenLease{static_cast<std::uint64_t>(seconds), std::move(done)});
}

void EtcdCoordination::renew(LeaseId lease, Done<bool> done) { State::begin(state_, Renew{lease, std::move(done)}); }

void EtcdCoordination::revoke(LeaseId lease, Done<void> done) { State::begin(state_, Revoke{lease, std::move(done)}); }

void EtcdCoordination::put_if_absent(std::string_view key, std::string_view value, LeaseId lease, Done<bool> done) {
  State::begin(state_, Put{std::string(key), std::string(value), lease, std::move(done)});
}

void EtcdCoordination::watch(std::string_view prefix, Watcher watcher) {
  auto listener = std::make_shared<Listener>(EtcdWatch(state_->root, prefix), std::move(watcher));
  state_->listeners.push_back(listener);
  State::begin(state_, Read{std::move(listener)});
  if (!std::exchange(state_->is_checking, true))
    asio::co_spawn(state_->context, State::keep_checking(state_), asio::detached);
}

}  // namespace epic::cluster

// NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)

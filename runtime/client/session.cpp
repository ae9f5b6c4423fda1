#include "client/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "io/clock.hpp"
#include "io/last_words.hpp"
#include "io/random.hpp"
#include "kernel/errors.hpp"
#include "transport/make_transport.hpp"

namespace epic::client {

using namespace std::chrono_literals;

namespace {

constexpr int kHandlersPerTick = 128;
constexpr std::chrono::nanoseconds kSeekEvery = 50ms;
constexpr std::chrono::nanoseconds kSeekSeldom = 500ms;
constexpr std::chrono::nanoseconds kAbsenceMax = 3s;

}  // namespace

Session::Session(std::filesystem::path project, ClientOptions options)
    : project_(std::move(project)),
      options_(options),
      transport_(transport::make_transport(context_, transport_events())),
      router_(io::random_id(), options.call_deadline, codec_,
              {.send = [this](const kernel::PeerAddress& to,
                              kernel::Message message) { transport_->send(to, std::move(message)); },
               .introduce = [this](const kernel::HelloMessage& hello) { transport_->introduce(hello); }}),
      thread_([this] { run(); }) {}

Session::~Session() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  boost::asio::post(context_, [] {});
  thread_.join();
}

transport::TransportEvents Session::transport_events() {
  return {.on_hello =
              [this](const kernel::PeerAddress& node, const kernel::HelloMessage& hello) {
                touch_time();
                seeking_.clear();
                if (router_.on_hello(node, hello)) nodes_.clear();
                nodes_.insert(node);
              },
          .on_message =
              [this](const kernel::PeerAddress& node, const kernel::Message& message) {
                touch_time();
                if (const auto* reply = std::get_if<kernel::ReplyMessage>(&message)) router_.on_reply(node, *reply);
              },
          .on_lost =
              [this](const kernel::PeerAddress& node) {
                touch_time();
                router_.on_lost(node, io::read_last_words(project_ / ".epic" / "run", node));
                if (nodes_.erase(node) > 0 && nodes_.empty()) alone_since_ns_ = seek_at_ns_ = io::monotonic_ns();
              },
          .on_map =
              [this](const kernel::PeerAddress& node, kernel::ShardMap map) {
                if (nodes_.contains(node)) on_map(std::move(map));
              },
          .on_unmet = [this](const std::string& address, const std::string& why) { on_unmet(address, why); },
          .on_note = {}};
}

// ---- any thread ----

void Session::wait_until_ready() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, options_.connect_timeout, [this] { return is_ready_ || is_hopeless_; });
  if (!is_ready_) throw Unavailable(absence_.empty() ? describe_absence() : absence_);
}

void Session::submit(RecordRef call, OnEnd on_end) {
  const std::lock_guard lock(mutex_);
  submitted_.push_back({std::move(call), std::move(on_end)});
  if (std::this_thread::get_id() == thread_.get_id()) return;  // from on_end: checked before this thread sleeps
  if (!std::exchange(is_wake_pending_, true)) boost::asio::post(context_, [] {});
}

// ---- the session's thread ----

void Session::touch_time() {
  if (std::exchange(is_time_fresh_, true)) return;
  router_.on_time(io::monotonic_ns());
}

void Session::run() {
  alone_since_ns_ = io::monotonic_ns();
  transport_->introduce(router_.hello());
  while (true) {
    is_time_fresh_ = false;
    touch_time();
    transport_->on_time(io::monotonic_ns());
    take_submissions();
    if (nodes_.empty()) seek(io::monotonic_ns());
    transport_->flush();
    {
      const std::lock_guard lock(mutex_);
      if (is_ending_) break;
      if (!submitted_.empty()) continue;
    }
    is_time_fresh_ = false;
    std::int64_t until_ns = router_.next_timer_ns().value_or(INT64_MAX);
    until_ns = std::min(until_ns, transport_->next_timer_ns().value_or(INT64_MAX));
    if (nodes_.empty()) until_ns = std::min(until_ns, seek_at_ns_);
    if (until_ns == INT64_MAX)
      context_.run_one();
    else
      context_.run_one_until(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(until_ns)));
    for (int i = 0; i < kHandlersPerTick && context_.poll_one() > 0; ++i) {
    }
  }
  transport_->close();
  take_submissions();  // what arrived last ends with the rest
  router_.on_closed();
}

void Session::take_submissions() {
  std::vector<Submission> submitted;
  {
    const std::lock_guard lock(mutex_);
    submitted.swap(submitted_);
    is_wake_pending_ = false;
  }
  for (Submission& one : submitted) router_.submit(std::move(one.call), std::move(one.on_end));
}

/// Looks for a node to start from; after a while without any, calls no longer wait for one.
void Session::seek(std::int64_t now_ns) {
  if (now_ns < seek_at_ns_) return;
  const bool is_long_alone = now_ns - alone_since_ns_ > kAbsenceMax.count();
  seek_at_ns_ = now_ns + (is_long_alone ? kSeekSeldom : kSeekEvery).count();
  if (is_long_alone) router_.on_unreachable(describe_absence());
  if (!seeking_.empty()) return;
  const std::vector<std::string> sockets = list_sockets();
  for (const std::string& address : sockets) {
    seeking_.insert(address);
    transport_->meet(address);
  }
  const std::lock_guard lock(mutex_);
  is_hopeless_ = sockets.empty();
  if (is_hopeless_) {
    absence_ = describe_absence();
    changed_.notify_all();
  }
}

void Session::on_unmet(const std::string& address, const std::string& why) {
  seeking_.erase(address);
  last_unmet_ = why;
  if (!seeking_.empty() || !nodes_.empty()) return;
  const std::lock_guard lock(mutex_);
  is_hopeless_ = true;
  absence_ = describe_absence();
  changed_.notify_all();
}

void Session::on_map(kernel::ShardMap map) {
  touch_time();
  if (map.version <= router_.map().version) return;  // another node's, and older
  transport_->set_map(map);
  router_.on_map(std::move(map));
  const std::lock_guard lock(mutex_);
  if (!std::exchange(is_ready_, true)) changed_.notify_all();
}

std::vector<std::string> Session::list_sockets() const {
  std::vector<std::string> sockets;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(project_ / ".epic" / "run", error))
    if (entry.path().extension() == ".sock") sockets.push_back(entry.path().string());
  std::ranges::sort(sockets);
  return sockets;
}

std::string Session::describe_absence() const {
  return fmt::format("no fabric answers in {}{}: start it with 'epic run'", project_.string(),
                     last_unmet_.empty() ? std::string() : " (" + last_unmet_ + ")");
}

}  // namespace epic::client

namespace epic {

Client Client::connect(std::string_view project_directory, ClientOptions options) {
  std::error_code error;
  std::filesystem::path project = std::filesystem::weakly_canonical(project_directory, error);
  auto session = std::make_shared<client::Session>(error ? std::filesystem::path(project_directory) : project, options);
  session->wait_until_ready();
  return Client(std::move(session));
}

Client::Record Client::run(Record record) const {
  std::mutex mutex;
  std::condition_variable ended;
  Record result;
  session_->submit(std::move(record), [&](Record done) {
    const std::lock_guard lock(mutex);
    result = std::move(done);
    ended.notify_one();
  });
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return static_cast<bool>(result); });
  return result;
}

void Client::start(Record record, std::function<void(Record)> on_end) const {
  session_->submit(std::move(record), [on_end = std::move(on_end)](Record done) { on_end(std::move(done)); });
}

}  // namespace epic

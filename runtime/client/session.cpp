#include "client/session.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "io/clock.hpp"
#include "io/random.hpp"
#include "kernel/errors.hpp"
#include "kernel/record.hpp"

namespace epic::client {

namespace {

constexpr int kHandlersPerTick = 128;

}  // namespace

Session::Session(std::unique_ptr<Place> place, ClientOptions options)
    : place_(std::move(place)),
      options_(std::move(options)),
      contact_(io::random_id(), options_.call_timeout, codec_, place_->name(),
               {.now_ns = io::monotonic_ns,
                .list_addresses = [this] { return place_->list_addresses(); },
                .read_last_words = [this](const kernel::PeerAddress& node) { return place_->read_last_words(node); },
                .on_change = [this] { on_change(); }}),
      transport_(place_->make_transport(context_, contact_.events())),
      thread_([this] { run(); }) {}

Session::~Session() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  boost::asio::post(context_, [] {});
  thread_.join();
}

// ---- any thread ----

void Session::wait_until_ready() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, options_.connect_timeout, [this] { return is_ready_ || !absence_.empty(); });
  if (!is_ready_) throw Unavailable(absence_.empty() ? describe_absence(place_->name(), {}) : absence_);
}

void Session::submit(RecordRef call, OnEnd on_end, CallHandle handle) {
  pass({std::move(call), std::move(on_end), std::move(handle)});
}

void Session::cancel(CallHandle handle) { pass({{}, {}, std::move(handle)}); }

void Session::pass(Submission submission) {
  {
    const std::lock_guard lock(mutex_);
    submitted_.push_back(std::move(submission));
    if (std::this_thread::get_id() == thread_.get_id()) return;  // from on_end: checked before this thread sleeps
    if (std::exchange(is_wake_pending_, true)) return;
  }
  boost::asio::post(context_, [] {});
}

// ---- the session's thread ----

void Session::run() {
  contact_.start(*transport_);
  while (true) {
    contact_.begin_tick();
    take_submissions();
    const std::int64_t until_ns = contact_.end_tick();
    {
      const std::lock_guard lock(mutex_);
      if (is_ending_) break;
      if (!submitted_.empty()) continue;
    }
    if (until_ns == INT64_MAX)
      context_.run_one();
    else
      context_.run_one_until(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(until_ns)));
    for (int i = 0; i < kHandlersPerTick && context_.poll_one() > 0; ++i) {
    }
  }
  transport_->close();
  take_submissions();  // what arrived last ends with the rest
  contact_.close();
}

void Session::take_submissions() {
  {
    const std::lock_guard lock(mutex_);
    taken_.swap(submitted_);
    is_wake_pending_ = false;
  }
  for (Submission& one : taken_) {
    if (!one.call) {
      contact_.cancel(*one.handle);
      continue;
    }
    const std::uint64_t number = contact_.submit(std::move(one.call), std::move(one.on_end));
    if (one.handle) *one.handle = number;
  }
  taken_.clear();  // and keeps its memory for the next ones
}

void Session::on_change() {
  const std::lock_guard lock(mutex_);
  is_ready_ = is_ready_ || contact_.is_ready();
  absence_ = contact_.absence();
  changed_.notify_all();
}

}  // namespace epic::client

namespace epic {

Client Client::connect(std::string_view where, ClientOptions options) {
  auto place = client::make_place(where, options.secret_file);
  if (const auto checked = place->check(); !checked) throw Unavailable(checked.error());
  auto session = std::make_shared<client::Session>(std::move(place), std::move(options));
  session->wait_until_ready();
  return Client(std::move(session));
}

void Client::use(Record& record, const ClientCallOptions& options) { kernel::use_options(*record, options); }

Client::Record Client::run(Record record) const {
  std::mutex mutex;
  std::condition_variable ended;
  Record result;
  start(std::move(record),
        [&](Record done) {
          const std::lock_guard lock(mutex);
          result = std::move(done);
          ended.notify_one();
        },
        /*handle=*/{});
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return static_cast<bool>(result); });
  return result;
}

void Client::start(Record record, std::move_only_function<void(Record)> on_end, Handle handle) const {
  session_->submit(std::move(record), std::move(on_end), std::move(handle));
}

void Client::cancel(const std::weak_ptr<client::Session>& session, Handle handle) {
  if (const auto open = session.lock()) open->cancel(std::move(handle));
}

}  // namespace epic

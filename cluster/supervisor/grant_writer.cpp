#include "cluster/supervisor/grant_writer.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

namespace epic::cluster {

namespace {

using namespace std::chrono_literals;
using storage::StoreErrorCode;

constexpr auto kRetryFirst = 20ms;
constexpr auto kRetryMax = 500ms;

}  // namespace

GrantWriter::GrantWriter(boost::asio::io_context& context, storage::StoreConfig store, kernel::Term term, Events events)
    : context_(context), config_(std::move(store)), term_(term), events_(std::move(events)) {
  if (!config_.location.empty()) thread_ = std::thread([this] { run(); });
}

GrantWriter::~GrantWriter() {
  *is_alive_ = false;
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void GrantWriter::write(kernel::ShardMap map) {
  if (config_.location.empty()) return post(events_.on_written);
  {
    const std::lock_guard lock(mutex_);
    map_ = std::move(map);
  }
  changed_.notify_all();
}

void GrantWriter::post(std::function<void()> event) {
  boost::asio::post(context_, [is_alive = is_alive_, event = std::move(event)] {
    if (*is_alive) event();
  });
}

void GrantWriter::run() {
  static_cast<void>(try_open());  // before it is needed; what fails is tried again then
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || map_; });
    if (is_ending_) return;
    const kernel::ShardMap map = *std::exchange(map_, std::nullopt);
    for (std::chrono::milliseconds delay = kRetryFirst; !is_ending_;
         delay = std::min<decltype(delay)>(delay * 2, kRetryMax)) {
      lock.unlock();
      const auto error = try_write(map);
      lock.lock();
      if (!error) {
        is_delay_reported_ = false;
        post(events_.on_written);
        break;
      }
      if (error->code == StoreErrorCode::not_granted) {
        post([this, why = error->message] { events_.on_deposed(why); });
        return;
      }
      if (!std::exchange(is_delay_reported_, true)) post([this, why = error->message] { events_.on_delay(why); });
      changed_.wait_for(lock, delay, [this] { return is_ending_; });
    }
  }
}

std::optional<storage::StoreError> GrantWriter::try_open() {
  auto opened = storage::open_store(config_);
  if (!opened) return opened.error();
  auto granter = storage::Granter::lead(**opened, term_);
  if (!granter) return granter.error();
  store_ = std::move(*opened);
  granter_ = std::move(*granter);
  if (const storage::StoreIdentity identity = store_->identity(); identity.migrated_from)
    post([this, identity] { events_.on_migrated(identity); });
  return std::nullopt;
}

std::optional<storage::StoreError> GrantWriter::try_write(const kernel::ShardMap& map) {
  if (!store_)
    if (auto error = try_open()) return error;
  auto written = granter_.write(*store_, map);
  if (written) return std::nullopt;
  const StoreErrorCode code = written.error().code;
  const bool may_go_on =
      code == StoreErrorCode::full || code == StoreErrorCode::busy || code == StoreErrorCode::displaced;
  if (!may_go_on) store_.reset();  // it refuses every later write; what it has written is looked up anew
  return written.error();
}

}  // namespace epic::cluster

#pragma once
// PipeNet: a network in memory for tests of the transport. Every single thing that a stream may report is a step that
// the test takes, in any order and with pieces of any size.

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "transport/stream.hpp"

namespace epic::test {

/// One end of a stream.
class PipeEnd final : public transport::Stream, public std::enable_shared_from_this<PipeEnd> {
 public:
  void start(transport::StreamUser& user) override { user_ = &user; }

  std::size_t write(std::span<const std::byte> bytes) override {
    const auto other = other_.lock();
    if (is_closed_ || is_broken_ || !other || other->is_closed_) return bytes.size();
    const std::size_t room = capacity - std::min(capacity, other->inbox_.size());
    const std::size_t taken = std::min(room, bytes.size());
    other->inbox_.insert(other->inbox_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    is_blocked_ = taken < bytes.size();
    return taken;
  }

  void close() override {
    is_closed_ = true;
    inbox_.clear();
  }

  /// Bytes that the other end may have under way to this one.
  std::size_t capacity = 1u << 20;

  [[nodiscard]] bool is_closed() const { return is_closed_; }
  /// The stream breaks: what is under way to this end is lost.
  void cut(std::string why = "connection reset") {
    is_broken_ = true;
    inbox_.clear();
    why_ = std::move(why);
  }

  /// True if there is something to report.
  [[nodiscard]] bool has_step() const {
    if (user_ == nullptr || is_closed_ || has_ended_) return false;
    const auto other = other_.lock();
    return !is_open_ || !inbox_.empty() || must_end() || (is_blocked_ && other->inbox_.size() < capacity);
  }
  /// Reports one thing; bytes in a piece of at most `piece`.
  void step(std::size_t piece = SIZE_MAX) {
    const auto kept = shared_from_this();
    if (is_broken_ || (must_end() && inbox_.empty())) {
      has_ended_ = true;
      return user_->on_end(why_);
    }
    if (!is_open_) {
      is_open_ = true;
      return user_->on_open();
    }
    if (!inbox_.empty()) {
      const auto room = user_->room();
      const std::size_t count = std::min({room.size(), inbox_.size(), piece});
      if (count == 0) {
        inbox_.clear();  // read no more
        return;
      }
      std::copy_n(inbox_.begin(), count, room.begin());
      inbox_.erase(inbox_.begin(), inbox_.begin() + static_cast<std::ptrdiff_t>(count));
      return user_->on_bytes(count);
    }
    is_blocked_ = false;
    user_->on_writable();
  }

 private:
  friend class PipeNet;
  [[nodiscard]] bool must_end() const {
    const auto other = other_.lock();
    return is_broken_ || !other || other->is_closed_;
  }

  std::weak_ptr<PipeEnd> other_;
  transport::StreamUser* user_ = nullptr;
  std::deque<std::byte> inbox_;
  std::string why_;
  bool is_open_ = false;
  bool is_blocked_ = false;
  bool is_closed_ = false;
  bool is_broken_ = false;
  bool has_ended_ = false;
};

class PipeNet {
 public:
  using End = std::shared_ptr<PipeEnd>;

  /// What one process sees of the network.
  [[nodiscard]] std::unique_ptr<transport::Medium> make_medium();

  /// A stream to the listener there. Without one, it breaks when it is first looked at.
  [[nodiscard]] End dial(const std::string& address) {
    const auto mine = std::make_shared<PipeEnd>();
    ends_.push_back(mine);
    const auto listener = listeners_.find(address);
    if (listener == listeners_.end() || listener->second.is_hidden) {
      mine->cut("nobody listens there");
      return mine;
    }
    const auto theirs = std::make_shared<PipeEnd>();
    mine->other_ = theirs;
    theirs->other_ = mine;
    mine->capacity = theirs->capacity = capacity;
    listener->second.waiting.push_back(theirs);
    return mine;
  }

  /// Each thing that may happen next, as a function. They are no longer valid after one has been called.
  [[nodiscard]] std::vector<std::function<void(std::size_t piece)>> steps() {
    std::erase_if(ends_, [](const End& end) { return end->is_closed() && end.use_count() == 1; });
    std::vector<std::function<void(std::size_t)>> possible;
    for (const End& end : ends_)
      if (end->has_step()) possible.emplace_back([end](std::size_t piece) { end->step(piece); });
    for (auto& [address, listener] : listeners_)
      if (!listener.waiting.empty())
        possible.emplace_back([this, address = address](std::size_t) {
          Listener& at = listeners_.at(address);
          End end = std::move(at.waiting.front());
          at.waiting.pop_front();
          ends_.push_back(end);
          at.on_accept(std::move(end));
        });
    return possible;
  }

  [[nodiscard]] const std::vector<End>& ends() const { return ends_; }
  /// Of streams that are dialled from now on.
  std::size_t capacity = 1u << 20;

 private:
  friend class PipeMedium;
  struct Listener {
    transport::Medium::OnAccept on_accept;
    std::deque<End> waiting;
    bool is_hidden = false;
  };
  std::vector<End> ends_;
  std::map<std::string, Listener> listeners_;
};

class PipeMedium final : public transport::Medium {
 public:
  explicit PipeMedium(PipeNet& net) : net_(net) {}
  ~PipeMedium() override { stop_listening(); }

  std::expected<transport::StreamPtr, std::string> dial(const std::string& address) override {
    if (address.empty()) return std::unexpected("no such address");
    return net_.dial(address);
  }
  std::expected<std::string, std::string> listen(const std::string& address, OnAccept on_accept) override {
    if (net_.listeners_.contains(address)) return std::unexpected("address in use");
    address_ = address;
    net_.listeners_[address].on_accept = std::move(on_accept);
    return address;
  }
  void hide() override {
    if (!address_.empty()) net_.listeners_.at(address_).is_hidden = true;
  }
  void stop_listening() override {
    if (address_.empty()) return;
    for (const auto& end : net_.listeners_.at(address_).waiting) end->close();
    net_.listeners_.erase(address_);
    address_.clear();
  }

 private:
  PipeNet& net_;
  std::string address_;
};

inline std::unique_ptr<transport::Medium> PipeNet::make_medium() { return std::make_unique<PipeMedium>(*this); }

}  // namespace epic::test

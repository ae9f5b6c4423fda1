#pragma once
// EntityLock: the one FIFO lock of an entity, taken by its exclusive methods.
//
// An exclusive method holds it alone. In a class that is exclusive as a whole every method takes it, and const ones
// share it. Who waits, waits in order: a shared call does not pass an exclusive one that came before it.
//
// Not here: whether a call needs the lock, and what a call does that would wait for itself (kernel_calls.cpp).

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "epic/call.hpp"

namespace epic::kernel {

using Record = detail::CallRecord;
using RecordRef = detail::RecordPtr<Record>;

class EntityLock {
 public:
  enum class Mode : std::uint8_t { shared, exclusive };

  /// True if `record` holds the lock now; otherwise it must wait.
  [[nodiscard]] bool try_take(Record& record, Mode mode) {
    if (!waiting_.empty() || !is_free_for(mode)) return false;
    take(record, mode);
    return true;
  }
  /// `since_ns`: now, by whatever clock the caller reads it with again.
  void wait(RecordRef record, Mode mode, std::int64_t since_ns) {
    waiting_.push_back({std::move(record), mode, since_ns});
  }

  /// Gives the lock back and hands it on. Returns those who hold it now and may start, in order.
  [[nodiscard]] std::vector<RecordRef> release(Record& record) {
    std::erase(holders_, &record);
    record.holds_lock = false;
    return grant();
  }

  /// `record`, which waits, waits no longer. Returns those that it kept from starting, in order.
  [[nodiscard]] std::vector<RecordRef> leave(const Record& record) {
    const auto place = std::ranges::find_if(waiting_, [&](const Waiting& one) { return one.record.get() == &record; });
    if (place != waiting_.end()) waiting_.erase(place);
    return grant();
  }

  [[nodiscard]] const std::vector<Record*>& holders() const { return holders_; }
  /// Since when `record` waits; empty: it does not.
  [[nodiscard]] std::optional<std::int64_t> find_waiting_since(const Record& record) const {
    for (const Waiting& one : waiting_)
      if (one.record.get() == &record) return one.since_ns;
    return std::nullopt;
  }
  /// The holders that `record`, which waits, waits for. Who stands before it waits for some of the same, so a ring that
  /// goes through one of those goes through a holder, too.
  template <class Visit>
  void for_each_blocking(const Record& record, Visit&& visit) const {
    bool must_wait = mode_ == Mode::exclusive;  // what holds it now shares with nobody
    for (const Waiting& one : waiting_) {
      must_wait = must_wait || one.mode == Mode::exclusive;
      if (one.record.get() == &record) break;
    }
    if (must_wait)
      for (Record* holder : holders_) visit(*holder);
  }
  [[nodiscard]] std::size_t waiting_count() const { return waiting_.size(); }
  /// Those who wait, for the entity that goes away.
  [[nodiscard]] std::vector<RecordRef> take_waiting() {
    std::vector<RecordRef> all;
    for (Waiting& one : waiting_) all.push_back(std::move(one.record));
    waiting_.clear();
    return all;
  }

 private:
  struct Waiting {
    RecordRef record;
    Mode mode;
    std::int64_t since_ns;
  };
  [[nodiscard]] bool is_free_for(Mode mode) const {
    return holders_.empty() || (mode == Mode::shared && mode_ == Mode::shared);
  }
  std::vector<RecordRef> grant() {
    std::vector<RecordRef> granted;
    while (!waiting_.empty() && is_free_for(waiting_.front().mode)) {
      Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      take(*next.record, next.mode);
      granted.push_back(std::move(next.record));
    }
    return granted;
  }
  void take(Record& record, Mode mode) {
    mode_ = mode;
    record.holds_lock = true;
    holders_.push_back(&record);
  }

  Mode mode_ = Mode::exclusive;
  std::vector<Record*> holders_;
  std::deque<Waiting> waiting_;
};

}  // namespace epic::kernel

#pragma once
// EntityLock: the one FIFO lock of an entity, taken by its exclusive methods.
//
// An exclusive method holds it alone. In a class that is exclusive as a whole every method takes it, and const ones
// share it. Calls that wait are served in order: a shared call does not pass an exclusive one that came before it. A
// lock that nothing holds has no memory.
//
// Not here: whether a call needs the lock, and what a call does that would wait for itself (calls.cpp).

#include <algorithm>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "kernel/record.hpp"

namespace epic::kernel {

class EntityLock {
 public:
  enum class Mode : std::uint8_t { shared, exclusive };

  /// True if `record` holds the lock now; otherwise it must wait.
  [[nodiscard]] bool try_take(Record& record, Mode mode) {
    if (use_ == nullptr) use_ = std::make_unique<Use>();
    if (!use_->waiting.empty() || !is_free_for(mode)) return false;
    take(record, mode);
    return true;
  }
  /// After try_take has failed. `since_ns`: now, on whatever clock the caller uses to read it again.
  void wait(RecordRef record, Mode mode, std::int64_t since_ns) {
    use_->waiting.push_back({std::move(record), mode, since_ns});
  }

  /// Releases the lock and passes it on. Returns the calls that hold it now and may start, in order.
  [[nodiscard]] std::vector<RecordRef> release(Record& record) {
    record.holds_lock = false;
    if (use_ == nullptr) return {};
    if (use_->first == &record) use_->first = nullptr;
    std::erase(use_->sharing, &record);
    return grant();
  }

  /// `record`, which is waiting, stops waiting. Returns the calls that it kept from starting, in order.
  [[nodiscard]] std::vector<RecordRef> leave(const Record& record) {
    if (use_ == nullptr) return {};
    const auto place =
        std::ranges::find_if(use_->waiting, [&](const Waiting& one) { return one.record.get() == &record; });
    if (place != use_->waiting.end()) use_->waiting.erase(place);
    return grant();
  }

  [[nodiscard]] std::span<Record* const> holders() const {
    if (use_ == nullptr) return {};
    if (!use_->sharing.empty()) return use_->sharing;
    return {&use_->first, use_->first == nullptr ? std::size_t{0} : std::size_t{1}};
  }
  /// Since when `record` waits; empty: it does not.
  [[nodiscard]] std::optional<std::int64_t> find_waiting_since(const Record& record) const {
    if (use_ == nullptr) return std::nullopt;
    for (const Waiting& one : use_->waiting)
      if (one.record.get() == &record) return one.since_ns;
    return std::nullopt;
  }
  /// Null when none waits. Whatever waits, waits for all holders: the first would have the lock otherwise.
  [[nodiscard]] Record* first_waiting() const {
    return use_ == nullptr || use_->waiting.empty() ? nullptr : use_->waiting.front().record.get();
  }
  [[nodiscard]] std::size_t waiting_count() const { return use_ == nullptr ? 0 : use_->waiting.size(); }
  /// Removes the waiting calls, for an entity that is being destroyed.
  [[nodiscard]] std::vector<RecordRef> take_waiting() {
    std::vector<RecordRef> all;
    if (use_ == nullptr) return all;
    for (Waiting& one : use_->waiting) all.push_back(std::move(one.record));
    use_->waiting.clear();
    return all;
  }

 private:
  struct Waiting {
    RecordRef record;
    Mode mode;
    std::int64_t since_ns;
  };
  struct Use {
    Mode mode = Mode::exclusive;
    Record* first = nullptr;       // the only holder, if `sharing` is empty
    std::vector<Record*> sharing;  // the holders, if there was more than one
    std::list<Waiting> waiting;

    static void* operator new(std::size_t size_bytes) { return detail::allocate_frame(size_bytes); }
    static void operator delete(void* use, std::size_t size_bytes) noexcept { detail::free_frame(use, size_bytes); }
  };

  [[nodiscard]] bool is_free_for(Mode mode) const {
    return holders().empty() || (mode == Mode::shared && use_->mode == Mode::shared);
  }
  std::vector<RecordRef> grant() {
    std::vector<RecordRef> granted;
    while (!use_->waiting.empty() && is_free_for(use_->waiting.front().mode)) {
      Waiting next = std::move(use_->waiting.front());
      use_->waiting.pop_front();
      take(*next.record, next.mode);
      granted.push_back(std::move(next.record));
    }
    if (holders().empty() && use_->waiting.empty()) use_.reset();
    return granted;
  }
  void take(Record& record, Mode mode) {
    use_->mode = mode;
    record.holds_lock = true;
    if (holders().empty()) {
      use_->first = &record;
      return;
    }
    if (use_->sharing.empty()) use_->sharing.push_back(std::exchange(use_->first, nullptr));
    use_->sharing.push_back(&record);
  }

  std::unique_ptr<Use> use_;
};

}  // namespace epic::kernel

#pragma once
// EntityLock: the one FIFO lock of an entity, taken by its exclusive methods.
//
// An exclusive method holds it alone. In a class that is exclusive as a whole every method takes it, and const ones
// share it. Calls that wait are served in order: a shared call does not pass an exclusive one that came before it. A
// lock that nothing holds has no memory.
//
// Cost: nothing here looks through the calls that wait, or through those that share the lock. A call that stops waiting
// stays in the line, as one that has ended, and is skipped when its turn comes. When half of the line has ended, it is
// tidied, a few places each time that a further one stops waiting: tens of thousands of records are not freed at once.
// Not here: whether a call needs the lock, and what a call does that would wait for itself (calls.cpp).

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "kernel/assert.hpp"
#include "kernel/record.hpp"

namespace epic::kernel {

class EntityLock {
 public:
  enum class Mode : std::uint8_t { shared, exclusive };

  /// True if `record` holds the lock now; otherwise it must wait.
  [[nodiscard]] bool try_take(Record& record, Mode mode) {
    if (use_ == nullptr) use_ = std::make_unique<Use>();
    if (waiting_count() > 0 || !is_free_for(mode)) return false;
    take(record, mode);
    return true;
  }
  /// After try_take has failed.
  void wait(RecordRef record, Mode mode) { use_->line.push_back({std::move(record), mode}); }

  /// Releases the lock and passes it on. Returns the calls that hold it now and may start, in order.
  [[nodiscard]] std::vector<RecordRef> release(Record& record) {
    record.holds_lock = false;
    if (use_ == nullptr) return {};
    if (use_->first == &record) use_->first = nullptr;
    use_->sharing.erase(record.sequence);
    return grant();
  }

  /// A call that was waiting has ended. Returns the calls that it kept from starting, in order.
  [[nodiscard]] std::vector<RecordRef> leave(const Record& record) {
    EPIC_ASSERT(has_ended(record), "call {} leaves the line for a lock before it has ended", record.sequence);
    if (use_ == nullptr) return {};
    ++use_->ended;
    std::vector<RecordRef> granted = grant();
    if (use_ != nullptr) tidy_some();
    return granted;
  }

  [[nodiscard]] std::size_t holder_count() const {
    if (use_ == nullptr) return 0;
    return use_->first != nullptr ? 1 : use_->sharing.size();
  }
  /// Any one of them; null if nothing holds the lock.
  [[nodiscard]] Record* find_holder() const {
    if (use_ == nullptr) return nullptr;
    if (use_->first != nullptr || use_->sharing.empty()) return use_->first;
    return use_->sharing.begin()->second;
  }
  template <class Visit>
  void for_each_holder(Visit&& visit) const {
    if (use_ == nullptr) return;
    if (use_->first != nullptr) visit(*use_->first);
    for (const auto& [sequence, holder] : use_->sharing) visit(*holder);
  }
  /// Null when none waits. Whatever waits, waits for all holders: the first would have the lock otherwise.
  [[nodiscard]] Record* first_waiting() const {
    return waiting_count() == 0 ? nullptr : use_->line[use_->begin].record.get();
  }
  [[nodiscard]] std::size_t waiting_count() const {
    return use_ == nullptr ? 0 : use_->line.size() - use_->begin - (use_->tidied - use_->kept) - use_->ended;
  }

 private:
  struct Waiting {
    RecordRef record;
    Mode mode;
  };
  struct Use {
    Mode mode = Mode::exclusive;
    Record* first = nullptr;                                    // the only holder, if `sharing` is empty
    boost::unordered_flat_map<std::uint64_t, Record*> sharing;  // the holders, if there was more than one
    std::vector<Waiting> line;                                  // Invariant: the first, at `begin`, has not ended
    std::size_t begin = 0;                                      // before it are those that have had their turn
    std::size_t ended = 0;                                      // after it, of those in the line
    std::size_t kept = 0;                                       // while it is tidied: from here …
    std::size_t tidied = 0;                                     // … to here there is nothing; 0: it is not tidied

    static void* operator new(std::size_t size_bytes) { return detail::allocate_frame(size_bytes); }
    static void operator delete(void* use, std::size_t size_bytes) noexcept { detail::free_frame(use, size_bytes); }
  };
  static constexpr std::size_t kTidyAt = 32;
  static constexpr std::size_t kTidiedAtOnce = 8;

  static bool has_ended(const Record& record) { return record.state == Record::State::ended; }
  [[nodiscard]] bool is_free_for(Mode mode) const {
    return holder_count() == 0 || (mode == Mode::shared && use_->mode == Mode::shared);
  }
  std::vector<RecordRef> grant() {
    std::vector<RecordRef> granted;
    for (std::vector<Waiting>& line = use_->line; use_->begin < line.size(); ++use_->begin) {
      if (use_->tidied != 0 && use_->begin == use_->kept) {  // nothing of what was kept is left
        use_->begin = use_->tidied;
        use_->kept = use_->tidied = 0;
      }
      Waiting& next = line[use_->begin];
      if (has_ended(*next.record)) {
        next.record = {};
        --use_->ended;
        continue;
      }
      if (!is_free_for(next.mode)) break;
      take(*next.record, next.mode);
      granted.push_back(std::move(next.record));
    }
    if (holder_count() == 0 && waiting_count() == 0)
      use_.reset();
    else
      drop_former();
    return granted;
  }
  /// Drops the places of calls that have had their turn.
  void drop_former() {
    if (use_->tidied != 0 || use_->begin < std::max(kTidyAt, use_->line.size() / 2)) return;
    use_->line.erase(use_->line.begin(), use_->line.begin() + static_cast<std::ptrdiff_t>(use_->begin));
    use_->begin = 0;
  }
  /// Moves those that still wait to the front, and frees the others.
  void tidy_some() {
    std::vector<Waiting>& line = use_->line;
    if (use_->tidied == 0) {
      if (use_->ended < std::max(kTidyAt, (line.size() - use_->begin) / 2)) return;
      use_->kept = use_->tidied = use_->begin;
    }
    for (std::size_t i = 0; i < kTidiedAtOnce && use_->tidied < line.size(); ++i) {
      Waiting one = std::move(line[use_->tidied++]);
      if (has_ended(*one.record))
        --use_->ended;
      else
        line[use_->kept++] = std::move(one);
    }
    if (use_->tidied < line.size()) return;
    line.erase(line.begin() + static_cast<std::ptrdiff_t>(use_->kept), line.end());
    use_->kept = use_->tidied = 0;
    drop_former();
  }
  void take(Record& record, Mode mode) {
    use_->mode = mode;
    record.holds_lock = true;
    if (holder_count() == 0) {
      use_->first = &record;
      return;
    }
    if (use_->first != nullptr) {
      Record* const first = std::exchange(use_->first, nullptr);
      use_->sharing.emplace(first->sequence, first);
    }
    use_->sharing.emplace(record.sequence, &record);
  }

  std::unique_ptr<Use> use_;
};

}  // namespace epic::kernel

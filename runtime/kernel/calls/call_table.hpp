#pragma once
// CallTable: every call of this node that has not ended, and when it must.
//
// A record is in one of three intrusive lists: calls with the default deadline (which expire in the order in which they
// started, so that adding and removing cost a few nanoseconds), calls with a deadline of their own (ordered beside the
// list), and abandoned ones: their caller has stopped waiting, the method still runs. Being in a list is one count of
// the record. Neighbours in the list that have the same deadline, like the calls of a broadcast, are ordered as one.
//
// Looking through the whole table would hold up everything else for as long as there are many calls. So what needs it
// either visits a bounded number, or takes a look that goes on, by slices, while the table changes.
//
// Not here: what happens to a call that has expired (call_ends.cpp).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "kernel/entity_lock.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

class CallTable {
  struct List {
    Record* first = nullptr;
    Record* last = nullptr;
  };

 public:
  enum class Place : std::uint8_t { common, custom, abandoned };

  /// Takes its own reference. `record.deadline_ns` and `has_custom_deadline` are set.
  void add(Record& record) {
    ++record.refs;
    record.is_listed = true;
    if (record.has_custom_deadline) {
      const bool is_in_run = custom_.last != nullptr && custom_.last->deadline_ns == record.deadline_ns;
      link(custom_, record);
      // Calls from other nodes, which are most of these, come about in the order of their deadlines.
      const auto run = is_in_run
                           ? run_of(record)
                           : by_deadline_.emplace_hint(by_deadline_.end(),
                                                       std::pair(record.deadline_ns, record.sequence), Run{&record});
      ++run->second.count;
    } else {
      link(common_, record);
    }
  }
  /// Passes the reference back to the caller, which releases it.
  void remove(Record& record) {
    record.is_listed = false;
    if (record.is_abandoned) {
      unlink(abandoned_, record);
    } else if (record.has_custom_deadline) {
      const auto run = run_of(record);
      if (--run->second.count == 0)
        by_deadline_.erase(run);
      else if (run->second.first == &record)
        run->second.first = record.next;
      unlink(custom_, record);
    } else {
      unlink(common_, record);
    }
  }
  /// The caller has its answer; the method goes on.
  void abandon(Record& record) {
    remove(record);
    record.is_abandoned = true;
    record.is_listed = true;
    link(abandoned_, record);
  }

  /// The call whose deadline is the first, if it is not after `now_ns`; null otherwise.
  [[nodiscard]] Record* find_expired(std::int64_t now_ns) const {
    Record* first = common_.first;
    if (!by_deadline_.empty() && (first == nullptr || by_deadline_.begin()->first.first < first->deadline_ns))
      first = by_deadline_.begin()->second.first;
    return first != nullptr && first->deadline_ns <= now_ns ? first : nullptr;
  }
  [[nodiscard]] std::optional<std::int64_t> next_deadline_ns() const {
    std::optional<std::int64_t> next;
    if (common_.first != nullptr) next = common_.first->deadline_ns;
    if (!by_deadline_.empty() && (!next || by_deadline_.begin()->first.first < *next))
      next = by_deadline_.begin()->first.first;
    return next;
  }
  [[nodiscard]] std::size_t size() const { return count_; }

  /// Visits every record, abandoned ones last. `visit` must not change the table.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const List* list : {&common_, &custom_, &abandoned_})
      for (Record* record = list->first; record != nullptr; record = record->next) visit(*record);
  }
  /// Visits `count` of each kind at most: the oldest, and of the abandoned ones the first.
  template <class Visit>
  void visit_oldest(std::size_t count, Visit&& visit) const {
    for (const List* list : {&common_, &custom_, &abandoned_}) {
      const Record* record = list->first;
      for (std::size_t i = 0; i < count && record != nullptr; ++i, record = record->next) visit(*record);
    }
  }
  /// Visits calls, first those that were begun after `from`: each costs one of `visits_left`. False: none was left.
  template <class Visit>
  bool visit_some(const Record& from, std::size_t& visits_left, Visit&& visit) const {
    const auto walk = [&](const Record* record) {
      for (; record != nullptr && visits_left > 0; record = record->next, --visits_left) visit(*record);
      return record == nullptr;
    };
    const List* const own = from.is_abandoned ? &abandoned_ : from.has_custom_deadline ? &custom_ : &common_;
    bool has_seen_all = walk(from.next);
    for (const List* list : {&common_, &custom_, &abandoned_})
      if (list != own) has_seen_all = has_seen_all && walk(list->first);
    return has_seen_all;
  }

  /// A look at every call that there is when it begins. It goes on, a few calls at a time, while the table changes.
  class Look {
   public:
    Look() = default;
    ~Look() { end(); }
    Look(const Look&) = delete;
    Look& operator=(const Look&) = delete;

    void begin(CallTable& calls) {
      end();
      calls_ = &calls;
      others_ = std::exchange(calls.looks_, this);
      list_ = 0;
      next_ = calls.common_.first;
      newest_ = 0;
      for (const List* list : {&calls.common_, &calls.custom_})
        if (list->last != nullptr) newest_ = std::max(newest_, list->last->sequence);
    }
    /// Visits those that are still there, up to `visits_left`, each of which costs one; `visit` may change the table.
    /// True: that was all, and the look is over.
    template <class Visit>
    bool go_on(std::size_t& visits_left, Visit&& visit) {
      static constexpr List CallTable::* kLists[] = {&CallTable::common_, &CallTable::custom_, &CallTable::abandoned_};
      static constexpr std::size_t kAbandoned = 2;  // which are not in the order of their numbers
      while (calls_ != nullptr) {
        while (next_ != nullptr && visits_left > 0 && (list_ == kAbandoned || next_->sequence <= newest_)) {
          --visits_left;
          visit(*std::exchange(next_, next_->next));
        }
        if (next_ != nullptr && visits_left == 0) return false;
        if (++list_ == std::size(kLists)) break;
        next_ = (calls_->*kLists[list_]).first;
      }
      end();
      return true;
    }
    /// One slice of a look that gathers calls to be ended, and ends them then: `visit` gathers one at most.
    template <class Visit>
    bool go_on_gathering(const std::vector<RecordRef>& gathered, Visit&& visit) {
      for (std::size_t visits_left = limits::kLookSlice; visits_left > 0 && gathered.size() < limits::kEndedPerTick;) {
        std::size_t few = std::min(visits_left, limits::kEndedPerTick - gathered.size());
        visits_left -= few;
        if (go_on(few, visit)) return true;
      }
      return false;
    }
    [[nodiscard]] bool is_on() const { return calls_ != nullptr; }
    void end() {
      if (calls_ == nullptr) return;
      Look** link = &calls_->looks_;
      while (*link != this) link = &(*link)->others_;
      *link = others_;
      calls_ = nullptr;
    }

   private:
    friend CallTable;
    CallTable* calls_ = nullptr;  // null: it is over
    Look* others_ = nullptr;      // that are on
    std::size_t list_ = 0;
    Record* next_ = nullptr;
    std::uint64_t newest_ = 0;  // of the calls with a caller when it began: later ones are left out
  };
  /// For a table whose calls have all ended.
  void end_looks() {
    while (looks_ != nullptr) looks_->end();
  }

 private:
  void link(List& list, Record& record) {
    record.previous = list.last;
    record.next = nullptr;
    (list.last != nullptr ? list.last->next : list.first) = &record;
    list.last = &record;
    ++count_;
  }
  void unlink(List& list, Record& record) {
    for (Look* look = looks_; look != nullptr; look = look->others_)
      if (look->next_ == &record) look->next_ = record.next;
    (record.previous != nullptr ? record.previous->next : list.first) = record.next;
    (record.next != nullptr ? record.next->previous : list.last) = record.previous;
    record.previous = record.next = nullptr;
    --count_;
  }

  /// Calls in `custom_`, one after the other, that have the same deadline.
  struct Run {
    Record* first = nullptr;
    std::uint32_t count = 0;
  };
  using Runs = std::map<std::pair<std::int64_t, std::uint64_t>, Run>;  // by deadline, and by the sequence of its first

  [[nodiscard]] Runs::iterator run_of(const Record& record) {
    return std::prev(by_deadline_.upper_bound({record.deadline_ns, record.sequence}));
  }

  List common_;
  List custom_;
  List abandoned_;
  Look* looks_ = nullptr;  // those that are on
  Runs by_deadline_;
  std::size_t count_ = 0;
};

}  // namespace epic::kernel

#pragma once
// CallTable: every call of this node that has not ended, and when it must.
//
// A record is in one of three intrusive lists: calls with the default deadline (which expire in the order in which they
// started, so that adding and removing cost a few nanoseconds), calls with a deadline of their own (ordered beside the
// list), and abandoned ones: their caller has stopped waiting, the method still runs. Being in a list is one count of
// the record.
//
// Looking through the whole table would hold up everything else for as long as there are many calls. So what needs it
// either visits a bounded number, or takes a look that goes on, call by call, while the table changes.
//
// Not here: what happens to a call that has expired (calls.cpp).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "kernel/entity_lock.hpp"

namespace epic::kernel {

class CallTable {
 public:
  enum class Place : std::uint8_t { common, custom, abandoned };

  /// Takes its own reference. `record.deadline_ns` and `has_custom_deadline` are set.
  void add(Record& record) {
    ++record.refs;
    record.is_listed = true;
    if (record.has_custom_deadline) {
      by_deadline_.emplace(std::pair(record.deadline_ns, record.sequence), &record);
      link(custom_, record);
    } else {
      link(common_, record);
    }
  }
  /// Passes the reference back to the caller, who releases it.
  void remove(Record& record) {
    record.is_listed = false;
    if (record.is_abandoned) {
      unlink(abandoned_, record);
    } else if (record.has_custom_deadline) {
      by_deadline_.erase({record.deadline_ns, record.sequence});
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
      first = by_deadline_.begin()->second;
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

  /// Starts a look at every call that there is now. One look at a time.
  void begin_look() {
    look_ = {.list = 0, .next = common_.first, .newest = 0};
    for (const List* list : {&common_, &custom_})
      if (list->last != nullptr) look_.newest = std::max(look_.newest, list->last->sequence);
  }
  /// The next one of them that is still in the table; null: that was all.
  [[nodiscard]] Record* next_look() {
    static constexpr List CallTable::* kLists[] = {&CallTable::common_, &CallTable::custom_, &CallTable::abandoned_};
    while (look_.list < std::size(kLists)) {
      Record* const record = look_.next;
      if (record != nullptr && record->sequence <= look_.newest) {
        look_.next = record->next;
        return record;
      }
      if (++look_.list < std::size(kLists)) look_.next = (this->*kLists[look_.list]).first;
    }
    look_.next = nullptr;
    return nullptr;
  }

 private:
  struct List {
    Record* first = nullptr;
    Record* last = nullptr;
  };
  void link(List& list, Record& record) {
    record.previous = list.last;
    record.next = nullptr;
    (list.last != nullptr ? list.last->next : list.first) = &record;
    list.last = &record;
    ++count_;
  }
  void unlink(List& list, Record& record) {
    if (look_.next == &record) look_.next = record.next;
    (record.previous != nullptr ? record.previous->next : list.first) = record.next;
    (record.next != nullptr ? record.next->previous : list.last) = record.previous;
    record.previous = record.next = nullptr;
    --count_;
  }

  struct Look {
    std::size_t list = 0;
    Record* next = nullptr;
    std::uint64_t newest = 0;  // of the calls when it began: later ones are left out
  };

  List common_;
  List custom_;
  List abandoned_;
  Look look_;
  std::map<std::pair<std::int64_t, std::uint64_t>, Record*> by_deadline_;  // and by sequence
  std::size_t count_ = 0;
};

}  // namespace epic::kernel

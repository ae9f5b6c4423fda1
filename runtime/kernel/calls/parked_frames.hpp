#pragma once
// ParkedFrames: every frame that waits for something other than calls: a time (epic::sleep), an epic::Event or Promise,
// that its entity is to leave (epic::stopping), a commit (epic::saved), another thread (epic::blocking), an epic::File.
//
// They are in one list, by what they wait for, until when, and then in their order. So what cancels executions has
// one place to look at, whatever entities may await.
//
// Cost: nothing here looks through all of them at once; there may be a million.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "epic/parked_wait.hpp"
#include "kernel/limits.hpp"
#include "kernel/scheduler.hpp"

namespace epic::kernel {

class ParkedFrames {
 public:
  using Wait = detail::ParkedWait;
  using WaitsFor = detail::WaitsFor;
  using Place = Wait::Place;

  explicit ParkedFrames(Scheduler& scheduler) : scheduler_(scheduler) {}

  /// Parks a frame of the current execution.
  void add(Wait& wait, WaitsFor what, std::int64_t until) {
    wait.waiter.execution = scheduler_.current;
    wait.waiter.remaining = 1;
    wait.place = {what, until, next_number_++};
    parked_.emplace(wait.place, &wait);
  }
  /// The waiting frame goes away.
  void forget(Wait& wait) {
    scheduler_.queue.drop(wait.waiter);
    if (wait.place.number != 0) parked_.erase(wait.place);
  }
  /// Resumes the frame, unless that has been done.
  void resume(Wait& wait) {
    if (wait.place.number != 0) go_on(parked_.find(wait.place));
  }
  /// Up to `count` of those whose `until` has come go on.
  void resume_until(WaitsFor what, std::int64_t until, std::size_t count) {
    for (Parked::const_iterator parked = first_of(what);
         count > 0 && is_of(parked, what) && parked->first.until <= until; --count)
      parked = go_on(parked);
  }
  /// All whose execution is meant go on.
  template <class Predicate>
  void resume_if(WaitsFor what, Predicate&& is_meant) {
    for (auto parked = first_of(what); is_of(parked, what);)
      parked = is_meant(parked->second->waiter.execution) ? go_on(parked) : std::next(parked);
  }
  /// Looks at up to `count` of them, those after `place`, which moves on. Executions that are meant go on with
  /// epic::Cancelled. True: those were the last.
  template <class Predicate>
  [[nodiscard]] bool cut_short(Place& place, std::size_t& count, Predicate&& is_meant) {
    Parked::const_iterator parked = parked_.upper_bound(place);
    for (; parked != parked_.end() && count > 0; --count) {
      place = parked->first;
      Record* const execution = parked->second->waiter.execution;
      if (execution == nullptr || !is_meant(*execution)) {
        ++parked;
        continue;
      }
      execution->cancel = Record::Cancel::asked;
      parked = go_on(parked);
    }
    return parked == parked_.end();
  }
  /// Resumes frames whose time has come, a bounded number in each tick.
  void on_time() { resume_until(WaitsFor::time, scheduler_.now_ns, limits::kWokenPerTick); }
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    const auto first = first_of(WaitsFor::time);
    return is_of(first, WaitsFor::time) ? std::optional(first->first.until) : std::nullopt;
  }
  [[nodiscard]] std::vector<Wait*> list(WaitsFor what, std::int64_t until) const {
    std::vector<Wait*> waits;
    for (auto parked = parked_.lower_bound({what, until, 0}); is_of(parked, what) && parked->first.until == until;
         ++parked)
      waits.push_back(parked->second);
    return waits;
  }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [place, wait] : parked_) visit(wait->waiter.execution, place.what);
  }

 private:
  using Parked = std::map<Place, Wait*>;

  Parked::const_iterator go_on(Parked::const_iterator parked) {
    Wait& wait = *parked->second;
    wait.place.number = 0;
    scheduler_.queue.push_resume(wait.waiter);
    return parked_.erase(parked);
  }
  [[nodiscard]] Parked::const_iterator first_of(WaitsFor what) const {
    return parked_.lower_bound({what, INT64_MIN, 0});
  }
  [[nodiscard]] bool is_of(Parked::const_iterator parked, WaitsFor what) const {
    return parked != parked_.end() && parked->first.what == what;
  }

  Scheduler& scheduler_;
  Parked parked_;
  std::uint64_t next_number_ = 1;
};

}  // namespace epic::kernel

#include "kernel/calls/reaper.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace epic::kernel {

void Reaper::reap(Activation& activation, std::exception_ptr failure, OnEnd on_end) {
  activation.state = Activation::State::reaping;
  ++scheduler_.reaping_count;
  if (activation.queued > 0) scheduler_.queue.drop_starts_of(activation);
  doomed_.emplace(activation.id, Doomed{.failure = std::move(failure),
                                        .on_end = std::move(on_end),
                                        .lock = std::exchange(activation.lock, {}),
                                        .spared = {}});
  go_on();
}

void Reaper::on_time() {
  visits_left_ = limits::kLookSlice;
  ends_left_ = limits::kEndedPerTick;
  go_on();
}

void Reaper::go_on() {
  if (std::exchange(is_going_on_, true)) return;  // asked for by what a visit has brought about
  while (!doomed_.empty() && visits_left_ > 0 && ends_left_ > 0) {
    if (!look_.is_on()) {
      for (auto& [id, doomed] : doomed_) doomed.is_in_look = true;
      look_.begin(calls_.table());
    }
    std::size_t few = std::min(visits_left_, ends_left_);
    visits_left_ -= few;
    const bool is_over = look_.go_on(few, [this](Record& record) { see(record); });
    visits_left_ += few;
    if (is_over) end_those_seen();
  }
  is_going_on_ = false;
}

void Reaper::see(Record& record) {
  Activation* const activation = activation_of(&record);
  if (activation == nullptr || activation->state != Activation::State::reaping) return;
  Doomed& doomed = doomed_.at(activation->id);
  if (record.has_run || record.method == nullptr) {
    --ends_left_;
    doomed.has_caller = doomed.has_caller || (record.method != nullptr && !record.is_abandoned && !record.is_read_only);
    return end(record, doomed.failure);
  }
  record.holds_lock = false;
  record.activation = nullptr;
  record.state = Record::State::loading;
  doomed.spared.push_back(RecordRef::share(record));
}

/// Nothing that it holds is passed on.
void Reaper::end(Record& record, const std::exception_ptr& failure) {
  const RecordRef kept = RecordRef::share(record);
  if (record.waiter == nullptr) record.is_joined = true;  // nobody to tell, and the end of its instance is logged
  calls_.fail(record, failure);
  record.destroy_frame();
  record.holds_lock = false;
  record.activation = nullptr;
  calls_.close(record);
}

void Reaper::end_those_seen() {
  std::vector<std::pair<ActivationId, Doomed>> ended;
  for (auto& [id, doomed] : doomed_)
    if (doomed.is_in_look) ended.emplace_back(id, std::move(doomed));
  std::erase_if(doomed_, [](const auto& one) { return one.second.is_in_look; });
  for (auto& [id, doomed] : ended) {
    Activation& activation = *table_.find(id);
    --scheduler_.reaping_count;
    activation.running = activation.queued = 0;
    if (!doomed.spared.empty()) {
      std::ranges::sort(doomed.spared, {}, [](const RecordRef& record) { return record->sequence; });
      std::vector<RecordRef>& waiting = activation.get_rare().waiting;
      std::ranges::move(waiting, std::back_inserter(doomed.spared));
      waiting = std::move(doomed.spared);
    }
    doomed.on_end(activation, doomed.has_caller);
  }
}

}  // namespace epic::kernel

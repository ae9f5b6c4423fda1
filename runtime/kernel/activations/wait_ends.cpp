#include "kernel/activations/wait_ends.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "kernel/assert.hpp"

namespace epic::kernel {

namespace {

constexpr std::size_t kTurn = 256;      // calls of one line, before the next line has its turn
constexpr std::size_t kRoutedCost = 4;  // routing a call costs as much as so many entries

bool may_go(const Activation& activation) {
  return activation.state == Activation::State::active || activation.state == Activation::State::gone;
}

}  // namespace

void WaitEnds::let_go(Activation& activation) {
  if (!activation.has_waiting() && activation.id != whose_turn_) {
    activation.trim();
    return listener_.on_line_empty(activation);
  }
  going_.push_back(activation.id);
  go_on();
}

void WaitEnds::fail(std::vector<RecordRef> calls, CommitNumber observed, std::exception_ptr failure) {
  if (calls.empty()) return;
  failing_.push_back({std::move(calls), 0, observed, std::move(failure)});
  go_on();
}

std::vector<RecordRef> WaitEnds::take_line(Activation& activation) {
  std::vector<RecordRef> line;
  if (activation.id == whose_turn_) {
    line.assign(std::move_iterator(in_hand_.begin()), std::move_iterator(in_hand_.end()));
    in_hand_.clear();
  }
  if (activation.rare != nullptr)
    std::ranges::move(std::exchange(activation.rare->waiting, {}), std::back_inserter(line));
  return line;
}

void WaitEnds::on_time() {
  entries_left_ = limits::kEnteredPerTick;
  ends_left_ = limits::kEndedPerTick;
  go_on();
}

void WaitEnds::go_on() {
  if (std::exchange(is_going_on_, true)) return;  // asked for by what a call has brought about
  while (ends_left_ > 0 && !failing_.empty()) {
    fail_some(failing_.front());
    if (failing_.front().failed == failing_.front().calls.size()) failing_.pop_front();
  }
  while (entries_left_ > 0 && !going_.empty()) {
    const ActivationId id = going_.front();
    going_.pop_front();
    empty_some(id);
  }
  is_going_on_ = false;
}

void WaitEnds::fail_some(Failing& failing) {
  for (; ends_left_ > 0 && failing.failed < failing.calls.size(); --ends_left_) {
    const RecordRef record = std::move(failing.calls[failing.failed++]);
    record->observed = std::max(record->observed, failing.observed.value);
    calls_.fail(*record, failing.why);
  }
}

/// A call that is routed may bring its entity back into memory: then the rest of the line is there (take_line).
void WaitEnds::empty_some(ActivationId id) {
  Activation* activation = table_.find(id);
  if (activation == nullptr || !may_go(*activation)) return;  // it has its turn when it is active again
  if (activation->has_waiting()) {
    std::vector<RecordRef>& line = activation->rare->waiting;
    const auto end = line.begin() + static_cast<std::ptrdiff_t>(std::min(line.size(), kTurn));
    in_hand_.assign(std::move_iterator(line.begin()), std::move_iterator(end));
    line.erase(line.begin(), end);
  }
  whose_turn_ = id;
  while (entries_left_ > 0 && !in_hand_.empty() && may_go(*activation)) {
    const RecordRef record = std::move(in_hand_.front());
    in_hand_.pop_front();
    entries_left_ -= std::min(entries_left_, activation->state == Activation::State::gone ? kRoutedCost : 1);
    if (!record->failure) calls_.admit(record, *activation);
    activation = table_.find(id);
    if (activation == nullptr) break;
  }
  whose_turn_ = {};
  EPIC_ASSERT(activation != nullptr || in_hand_.empty(), "{} calls have lost their entity", in_hand_.size());
  if (activation == nullptr) return;
  if (!in_hand_.empty()) {
    std::vector<RecordRef>& line = activation->get_rare().waiting;
    line.insert(line.begin(), std::move_iterator(in_hand_.begin()), std::move_iterator(in_hand_.end()));
    in_hand_.clear();
  }
  if (activation->has_waiting()) {
    going_.push_back(id);
    return;
  }
  activation->trim();
  if (may_go(*activation)) listener_.on_line_empty(*activation);
}

}  // namespace epic::kernel

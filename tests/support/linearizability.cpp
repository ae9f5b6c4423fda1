#include "support/linearizability.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <string_view>
#include <utility>
#include <vector>

namespace epic::test {

namespace {

using Kind = CellOperation::Kind;

constexpr std::size_t kTriedMax = 300'000;
constexpr std::size_t kNone = SIZE_MAX;

std::string describe(const CellOperation& operation) {
  static constexpr std::string_view kNames[] = {"read", "add", "swap"};
  return fmt::format("{}({}) = {}, {:.6f} s to {:.6f} s", kNames[static_cast<std::size_t>(operation.kind)],
                     operation.argument, *operation.result, static_cast<double>(operation.called_ns) / 1e9,
                     static_cast<double>(operation.returned_ns) / 1e9);
}

struct Step {
  std::int64_t value;   // afterwards
  std::int64_t result;  // to the caller
};

Step apply(const CellOperation& operation, std::int64_t value) {
  switch (operation.kind) {
    case Kind::read:
      return {value, value};
    case Kind::add:
      return {value + operation.argument, value + operation.argument};
    case Kind::swap:
      return {operation.argument, value};
  }
  return {value, value};
}

class Search {
 public:
  Search(std::span<const CellOperation> operations, std::int64_t initial)
      : operations_(operations), value_(initial), done_((operations.size() + 63) / 64) {
    link_events();
  }

  std::optional<std::string> run(TooHard too_hard) {
    std::size_t at = events_[0].next;
    while (known_left_ > 0) {  // the others may as well have no effect
      if (events_[at].is_call) {
        at = try_next(at) ? events_[0].next : events_[at].next;
        if (tried_.size() > kTriedMax)
          return too_hard == TooHard::good ? std::nullopt : std::optional("too hard to decide: " + explain());
        continue;
      }
      note_obstacle(at);
      if (path_.empty()) return explain();
      at = go_back();
    }
    return std::nullopt;
  }

 private:
  /// In the order of time; the first stands for the beginning. What is in the order found so far is unlinked.
  struct Event {
    std::size_t operation = 0;
    bool is_call = false;
    std::size_t previous = 0;
    std::size_t next = kNone;
    std::size_t other = kNone;  // of a call: its return
  };
  struct Taken {
    std::size_t call;
    std::int64_t value_before;
  };

  void link_events() {
    struct Moment {
      std::int64_t time_ns;
      bool is_return;
      std::size_t operation;
      auto operator<=>(const Moment&) const = default;
    };
    std::vector<Moment> moments;
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if (!operations_[i].result && operations_[i].kind == Kind::read) continue;
      moments.push_back({operations_[i].called_ns, false, i});
      moments.push_back({operations_[i].result ? operations_[i].returned_ns : INT64_MAX, true, i});
      if (operations_[i].result) ++known_left_;
    }
    std::ranges::sort(moments);
    std::vector<std::size_t> call_of(operations_.size());
    events_.push_back({});
    for (const Moment& moment : moments) {
      const std::size_t number = events_.size();
      events_.back().next = number;
      events_.push_back({.operation = moment.operation, .is_call = !moment.is_return, .previous = number - 1});
      if (moment.is_return)
        events_[call_of[moment.operation]].other = number;
      else
        call_of[moment.operation] = number;
    }
  }

  /// Lets the operation be the next in the order, if its result allows that and it leads to something new.
  bool try_next(std::size_t call) {
    const CellOperation& operation = operations_[events_[call].operation];
    const Step step = apply(operation, value_);
    if (operation.result && *operation.result != step.result) return false;
    mark(call);
    if (!tried_.emplace(done_, step.value).second) {
      mark(call);
      return false;
    }
    path_.push_back({call, std::exchange(value_, step.value)});
    if (operation.result) --known_left_;
    unlink(call);
    unlink(events_[call].other);
    return true;
  }

  /// Takes the last one out of the order again. Returns where to go on.
  std::size_t go_back() {
    const Taken last = path_.back();
    path_.pop_back();
    mark(last.call);
    value_ = last.value_before;
    if (operations_[events_[last.call].operation].result) ++known_left_;
    link(events_[last.call].other);
    link(last.call);
    return events_[last.call].next;
  }

  void mark(std::size_t call) {
    const std::size_t operation = events_[call].operation;
    done_[operation / 64] ^= std::uint64_t{1} << operation % 64;
  }
  void unlink(std::size_t event) {
    const Event& gone = events_[event];
    events_[gone.previous].next = gone.next;
    if (gone.next != kNone) events_[gone.next].previous = gone.previous;
  }
  void link(std::size_t event) {
    const Event& back = events_[event];
    events_[back.previous].next = event;
    if (back.next != kNone) events_[back.next].previous = event;
  }

  void note_obstacle(std::size_t returned) {
    if (obstacle_ != kNone && path_.size() <= longest_) return;
    longest_ = path_.size();
    obstacle_ = events_[returned].operation;
    value_there_ = value_;
  }
  std::string explain() const {
    if (obstacle_ == kNone) return fmt::format("{} operations", operations_.size());
    return fmt::format(
        "no order of its {} operations explains their results: at most {} fit, with {} as the value, "
        "then not {}",
        operations_.size(), longest_, value_there_, describe(operations_[obstacle_]));
  }

  std::span<const CellOperation> operations_;
  std::vector<Event> events_;
  std::int64_t value_;
  std::vector<std::uint64_t> done_;  // a bit for each operation in the order
  std::vector<Taken> path_;
  boost::unordered_flat_set<std::pair<std::vector<std::uint64_t>, std::int64_t>> tried_;
  std::size_t known_left_ = 0;
  std::size_t longest_ = 0;
  std::size_t obstacle_ = kNone;
  std::int64_t value_there_ = 0;
};

}  // namespace

std::optional<std::string> find_contradiction(std::span<const CellOperation> operations, std::int64_t initial,
                                              TooHard too_hard) {
  return Search(operations, initial).run(too_hard);
}

}  // namespace epic::test

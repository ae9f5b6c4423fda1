#include "cluster/placement/connected.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

namespace epic::cluster {

namespace {

using Number = std::size_t;  // of a machine, in the order of names

/// Leaves out as few machines as it can, so that no cut remains.
class Search {
 public:
  Search(std::vector<ConnectedMachine> machines, std::span<const MachineCut> cuts)
      : machines_(std::move(machines)), cuts_(machines_.size()), is_out_(machines_.size()) {
    std::map<std::string, Number> numbers;
    for (Number number = 0; number < machines_.size(); ++number) numbers[machines_[number].name] = number;
    for (const auto& [one, other] : cuts) {
      if (one == other || !numbers.contains(one) || !numbers.contains(other)) continue;
      cuts_[numbers[one]].insert(numbers[other]);
      cuts_[numbers[other]].insert(numbers[one]);
    }
  }

  std::set<std::string> run() {
    look();
    std::set<std::string> kept;
    for (Number number = 0; number < machines_.size(); ++number)
      if (!best_->out[number]) kept.insert(machines_[number].name);
    return kept;
  }

 private:
  struct Result {
    std::vector<bool> out;
    std::size_t out_count;
  };

  /// Of two machines that are cut from each other at least one is left out.
  void look() {
    if (best_ && (++steps_ > kConnectedStepsMax || out_count_ > best_->out_count)) return;
    const std::optional<Number> worst = find_worst();
    if (!worst) {
      if (!best_ || is_better()) best_ = Result{is_out_, out_count_};
      return;
    }
    leave_out({*worst});
    std::vector<Number> neighbours;
    for (const Number other : cuts_[*worst])
      if (!is_out_[other]) neighbours.push_back(other);
    leave_out(neighbours);
  }

  void leave_out(const std::vector<Number>& some) {
    for (const Number number : some) is_out_[number] = true;
    out_count_ += some.size();
    look();
    for (const Number number : some) is_out_[number] = false;
    out_count_ -= some.size();
  }

  /// That has the most cuts; none if there are no more.
  [[nodiscard]] std::optional<Number> find_worst() const {
    std::optional<Number> worst;
    std::ptrdiff_t most = 0;
    for (Number number = 0; number < machines_.size(); ++number) {
      if (is_out_[number]) continue;
      const auto count = std::ranges::count_if(cuts_[number], [this](Number other) { return !is_out_[other]; });
      if (count <= most) continue;
      most = count;
      worst = number;
    }
    return worst;
  }

  [[nodiscard]] auto rank(const std::vector<bool>& out) const {
    bool has_leader = false;
    std::size_t shards = 0;
    std::vector<bool> is_in(out.size());
    for (Number number = 0; number < machines_.size(); ++number) {
      is_in[number] = !out[number];
      if (out[number]) continue;
      has_leader = has_leader || machines_[number].leads;
      shards += machines_[number].shards;
    }
    return std::tuple(has_leader, shards, is_in);  // of names of equal number, the first that differs decides
  }

  [[nodiscard]] bool is_better() const {
    if (out_count_ != best_->out_count) return out_count_ < best_->out_count;
    return rank(is_out_) > rank(best_->out);
  }

  std::vector<ConnectedMachine> machines_;
  std::vector<std::set<Number>> cuts_;  // by machine
  std::vector<bool> is_out_;
  std::size_t out_count_ = 0;
  std::size_t steps_ = 0;
  std::optional<Result> best_;
};

}  // namespace

std::set<std::string> find_connected(std::span<const ConnectedMachine> machines, std::span<const MachineCut> cuts) {
  std::vector<ConnectedMachine> by_name(machines.begin(), machines.end());
  std::ranges::sort(by_name, {}, &ConnectedMachine::name);
  return Search(std::move(by_name), cuts).run();
}

}  // namespace epic::cluster

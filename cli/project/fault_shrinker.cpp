#include "cli/project/fault_shrinker.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

namespace epic::cli {
namespace {

constexpr std::size_t kFewMax = 3;

class Search {
 public:
  explicit Search(const std::function<Result<bool>(const FaultNumbers&)>& still_fails) : still_fails_(still_fails) {}

  Result<bool> fails(const FaultNumbers& faults) {
    if (const auto known = known_.find(faults); known != known_.end()) return known->second;
    const bool answer = EPIC_TRY(still_fails_(faults));
    ++runs_;
    known_.emplace(faults, answer);
    return answer;
  }

  /// One of `parts` parts of `faults`, or all but one of them, if that fails; else empty.
  Result<FaultNumbers> smaller(const FaultNumbers& faults, std::size_t parts) {
    for (const auto& cut : {&Search::part, &Search::all_but}) {
      for (std::size_t i = 0; i < parts; ++i) {
        FaultNumbers fewer = cut(faults, i, parts);
        if (EPIC_TRY(fails(fewer))) return fewer;
      }
      if (parts == 2) break;  // all but one half is the other half
    }
    return FaultNumbers();
  }

  void limit_runs(std::size_t more) { runs_max_ = runs_ + more; }

  /// The smallest set of at most kFewMax faults of `faults`, and of fewer than `below`, that fails; empty: none does,
  /// or the runs are used up.
  Result<FaultNumbers> few_of(const FaultNumbers& faults, std::size_t below) {
    for (std::size_t size = 1; size < below && size <= std::min(kFewMax, faults.size()); ++size) {
      std::vector<char> is_chosen(faults.size(), 0);
      std::fill_n(is_chosen.begin(), size, 1);
      do {
        if (runs_ == runs_max_) return FaultNumbers();
        FaultNumbers few;
        for (std::size_t i = 0; i < faults.size(); ++i)
          if (is_chosen[i] != 0) few.push_back(faults[i]);
        if (EPIC_TRY(fails(few))) return few;
      } while (std::ranges::prev_permutation(is_chosen).found);
    }
    return FaultNumbers();
  }

 private:
  static FaultNumbers part(const FaultNumbers& faults, std::size_t index, std::size_t parts) {
    const auto edge = [&](std::size_t i) {
      return faults.begin() + static_cast<std::ptrdiff_t>(i * faults.size() / parts);
    };
    return {edge(index), edge(index + 1)};
  }
  static FaultNumbers all_but(const FaultNumbers& faults, std::size_t index, std::size_t parts) {
    const FaultNumbers left_out = part(faults, index, parts);
    FaultNumbers rest;
    std::ranges::set_difference(faults, left_out, std::back_inserter(rest));
    return rest;
  }

  const std::function<Result<bool>(const FaultNumbers&)>& still_fails_;
  std::map<FaultNumbers, bool> known_;
  std::size_t runs_ = 0;
  std::size_t runs_max_ = SIZE_MAX;
};

Result<FaultNumbers> minimize(Search& search, FaultNumbers faults) {
  std::size_t parts = 2;
  while (faults.size() >= 2) {
    FaultNumbers fewer = EPIC_TRY(search.smaller(faults, parts));
    if (!fewer.empty()) {
      parts = fewer.size() * 2 > faults.size() ? std::max<std::size_t>(parts - 1, 2) : 2;
      faults = std::move(fewer);
    } else if (parts < faults.size()) {
      parts = std::min(parts * 2, faults.size());
    } else {
      break;  // each part was a single fault
    }
  }
  return faults;
}

}  // namespace

Result<FaultNumbers> shrink_faults(const FaultNumbers& faults,
                                   const std::function<Result<bool>(const FaultNumbers&)>& still_fails) {
  Search search(still_fails);
  if (faults.empty() || EPIC_TRY(search.fails({}))) return FaultNumbers();
  FaultNumbers least = EPIC_TRY(minimize(search, faults));
  if (least.size() <= kFewMax) return least;
  search.limit_runs(kFewFaultsRunsMax);
  for (const FaultNumbers& pool : {least, faults})
    if (FaultNumbers few = EPIC_TRY(search.few_of(pool, least.size())); !few.empty()) least = std::move(few);
  return least;
}

}  // namespace epic::cli

#include "cli/project/fault_shrinker.hpp"

#include <algorithm>
#include <map>

namespace epic::cli {
namespace {

class Search {
 public:
  explicit Search(const std::function<Result<bool>(const FaultNumbers&)>& still_fails) : still_fails_(still_fails) {}

  Result<bool> fails(const FaultNumbers& faults) {
    if (const auto known = known_.find(faults); known != known_.end()) return known->second;
    const bool answer = EPIC_TRY(still_fails_(faults));
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
};

}  // namespace

Result<FaultNumbers> shrink_faults(FaultNumbers faults,
                                   const std::function<Result<bool>(const FaultNumbers&)>& still_fails) {
  Search search(still_fails);
  if (faults.empty() || EPIC_TRY(search.fails({}))) return FaultNumbers();
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

}  // namespace epic::cli

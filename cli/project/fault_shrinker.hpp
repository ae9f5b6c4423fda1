#pragma once
// FaultShrinker: a smaller set of faults with which a run still fails.
//
// A failing seed has dozens of faults, and mostly two or three of them matter. The search first leaves out all, then
// halves, then ever smaller parts: ddmin, from Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
// Input" (IEEE Transactions on Software Engineering, 2002).
//
// More faults do not always do more harm: one may undo or delay another. So ddmin can end with seven faults, none of
// which can be spared, where two others suffice. If it leaves more than three, sets of one, two and three faults are
// tried as well, first of its result, then of all, as long as there are runs left.
//
// Invariant: the run fails with the result, and with no single fault of the result left out.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

/// To look for sets of up to three faults, after ddmin.
inline constexpr std::size_t kFewFaultsRunsMax = 300;

/// Numbers in a seed's schedule, ascending.
using FaultNumbers = std::vector<std::int64_t>;

/// `still_fails` runs the seed with these faults only; it is asked at most once about each set. `faults` are known to
/// fail.
Result<FaultNumbers> shrink_faults(const FaultNumbers& faults,
                                   const std::function<Result<bool>(const FaultNumbers&)>& still_fails);

}  // namespace epic::cli

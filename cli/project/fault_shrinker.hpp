#pragma once
// FaultShrinker: a smaller set of faults with which a run still fails.
//
// A failing seed has dozens of faults, and mostly two or three of them matter. The search first leaves out all, then
// halves, then ever smaller parts: ddmin, from Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
// Input" (IEEE Transactions on Software Engineering, 2002).
//
// Invariant: the run fails with the result, and with no single fault of the result left out.

#include <cstdint>
#include <functional>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

/// Numbers in a seed's schedule, ascending.
using FaultNumbers = std::vector<std::int64_t>;

/// `still_fails` runs the seed with these faults only; it is asked at most once about each set. `faults` are known to
/// fail.
Result<FaultNumbers> shrink_faults(FaultNumbers faults,
                                   const std::function<Result<bool>(const FaultNumbers&)>& still_fails);

}  // namespace epic::cli

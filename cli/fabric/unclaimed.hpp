#pragma once
// Unclaimed: types in the store that no class of the module claims, by its name or a former one.

#include <set>
#include <string>

#include "cli/context.hpp"

namespace epic::cli {

/// Asks the built module. A failure while a fabric runs: such types have no owner there.
Result<std::set<std::string>> find_unclaimed(Context& context, const Project& project);

}  // namespace epic::cli

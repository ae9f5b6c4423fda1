#pragma once
// SeedText: how `epic simulate` prints one seed.

#include <string>
#include <string_view>

#include "cli/output/console.hpp"
#include "cli/project/simulation.hpp"

namespace epic::cli {

/// What failed and where, the faults, the entity's history, and the last lines that the program printed. Long lists
/// are cut unless the console is verbose; those of a seed that passed are printed only then.
std::string seed_text(const Console& console, std::string_view scenario, const SeedReport& report,
                      std::string_view printed);

/// `word` as a shell reads it back.
std::string shell_quoted(std::string_view word);

}  // namespace epic::cli

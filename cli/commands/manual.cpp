// epic __manual: writes the pages of the manual; called when epic is built.

#include <fmt/format.h>

#include "cli/commands/settings_text.hpp"
#include "cli/commands/table.hpp"
#include "cli/output/atomic_file.hpp"
#include "cli/parser/manual.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kManualPositionals[] = {
    {.name = "DIR", .summary = "Where to write them", .completes = Completes::directory},
};

Outcome run_manual(Context&, const Arguments& arguments) {
  std::vector<ManualPage> pages = command_manual(command_table(), EPIC_VERSION);
  pages.push_back(settings_manual(settings_sections(), kSettingsExample, kSettingsOrder, EPIC_VERSION));
  for (const ManualPage& page : pages) {
    auto file = EPIC_TRY(AtomicFile::open(std::filesystem::path(*arguments.word(0)) / page.file,
                                          {.help = "name a directory that exists"}));
    file.write(page.text);
    EPIC_TRY(file.keep());
  }
  return ExitCode::ok;
}

}  // namespace

constexpr Command kManualCommand{
    .path = "__manual",
    .group = Group::tool,
    .summary = "Write the pages of the manual, for 'man'",
    .description = "",
    .example = "epic __manual build/manual",
    .positionals = kManualPositionals,
    .run = run_manual,
    .is_hidden = true,
};

}  // namespace epic::cli

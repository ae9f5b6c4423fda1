#pragma once
// Table: every command, in the order of the help page.

#include "cli/parser/command.hpp"

namespace epic::cli {

const CommandTable& command_table();

/// Each in its own file, or with similar ones.
const Command& new_command();
const Command& build_command();
const Command& run_command();
const Command& stop_command();
const Command& ps_command();
const Command& scale_command();
const Command& restart_command();
const Command& drain_command();
const Command& kill_command();
const Command& pause_command();
const Command& resume_command();
const Command& logs_command();
const Command& ls_command();
const Command& inspect_command();
const Command& calls_command();
const Command& events_command();
const Command& call_command();
const Command& snapshot_list_command();
const Command& snapshot_show_command();
const Command& snapshot_export_command();
const Command& snapshot_import_command();
const Command& snapshot_diff_command();
const Command& snapshot_verify_command();
const Command& snapshot_rm_command();
const Command& snapshot_prune_command();
const Command& schema_show_command();
const Command& schema_check_command();
const Command& schema_export_command();
const Command& doctor_command();
const Command& completions_command();
const Command& complete_command();
const Command& help_command();

}  // namespace epic::cli

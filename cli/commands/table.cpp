#include "cli/commands/table.hpp"

#include <array>

namespace epic::cli {
namespace {

constexpr Noun kNouns[] = {
    {"snapshot", "List, show, export and check the saved states of entities"},
    {"schema", "Show, check and export the schemas that states were saved with"},
};

}  // namespace

const CommandTable& command_table() {
  static const std::array kCommands = {
      &new_command(),
      &build_command(),
      &run_command(),
      &stop_command(),
      &ps_command(),
      &scale_command(),
      &restart_command(),
      &drain_command(),
      &kill_command(),
      &pause_command(),
      &resume_command(),
      &logs_command(),
      &ls_command(),
      &inspect_command(),
      &calls_command(),
      &events_command(),
      &call_command(),
      &snapshot_list_command(),
      &snapshot_show_command(),
      &snapshot_export_command(),
      &snapshot_import_command(),
      &snapshot_diff_command(),
      &snapshot_verify_command(),
      &snapshot_rm_command(),
      &snapshot_prune_command(),
      &schema_show_command(),
      &schema_check_command(),
      &schema_export_command(),
      &doctor_command(),
      &completions_command(),
      &help_command(),
      &complete_command(),
  };
  static const CommandTable kTable{.commands = kCommands, .nouns = kNouns};
  return kTable;
}

}  // namespace epic::cli

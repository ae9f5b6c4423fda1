#include "cli/commands/table.hpp"

#include <array>

namespace epic::cli {
namespace {

constexpr Noun kNouns[] = {
    {"add", "Add an entity class to the project"},
    {"outbox", "Show, retry and drop messages that have not taken effect: dead letters above all"},
    {"snapshot", "Show, check, export, restore and remove saved states of entities"},
    {"config", "Show and change your own settings: connections to fabrics elsewhere"},
    {"schema", "Show, check and export the schemas that states were saved with"},
};

}  // namespace

const CommandTable& command_table() {
  static const std::array kCommands = {
      &kNewCommand,
      &kAddEntityCommand,
      &kBuildCommand,
      &kTestCommand,
      &kSimulateCommand,
      &kRunCommand,
      &kStopCommand,
      &kPsCommand,
      &kScaleCommand,
      &kRestartCommand,
      &kDrainCommand,
      &kKillCommand,
      &kPauseCommand,
      &kResumeCommand,
      &kCutCommand,
      &kHealCommand,
      &kLogsCommand,
      &kLsCommand,
      &kInspectCommand,
      &kCallsCommand,
      &kEventsCommand,
      &kCallCommand,
      &kReleaseCommand,
      &kRemindersCommand,
      &kOutboxListCommand,
      &kOutboxShowCommand,
      &kOutboxRetryCommand,
      &kOutboxDropCommand,
      &kSnapshotListCommand,
      &kSnapshotShowCommand,
      &kSnapshotExportCommand,
      &kSnapshotImportCommand,
      &kSnapshotDiffCommand,
      &kSnapshotVerifyCommand,
      &kSnapshotRmCommand,
      &kSnapshotPruneCommand,
      &kSchemaShowCommand,
      &kSchemaCheckCommand,
      &kSchemaExportCommand,
      &kBackupCommand,
      &kRestoreCommand,
      &kReshardCommand,
      &kDoctorCommand,
      &kConfigListCommand,
      &kConfigGetCommand,
      &kConfigSetCommand,
      &kConfigUnsetCommand,
      &kCompletionsCommand,
      &kHelpCommand,
      &kCompleteCommand,
      &kManualCommand,
  };
  static const CommandTable kTable{.commands = kCommands, .nouns = kNouns};
  return kTable;
}

}  // namespace epic::cli

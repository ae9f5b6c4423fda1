#pragma once
// Table: every command, in the order of the help page.

#include "cli/parser/command.hpp"

namespace epic::cli {

const CommandTable& command_table();

/// Each in its own file, or with similar ones.
extern const Command kNewCommand;
extern const Command kAddEntityCommand;
extern const Command kBuildCommand;
extern const Command kTestCommand;
extern const Command kSimulateCommand;
extern const Command kRunCommand;
extern const Command kStopCommand;
extern const Command kPsCommand;
extern const Command kScaleCommand;
extern const Command kRestartCommand;
extern const Command kDrainCommand;
extern const Command kKillCommand;
extern const Command kPauseCommand;
extern const Command kResumeCommand;
extern const Command kCutCommand;
extern const Command kHealCommand;
extern const Command kReleaseCommand;
extern const Command kLogsCommand;
extern const Command kLsCommand;
extern const Command kInspectCommand;
extern const Command kCallsCommand;
extern const Command kEventsCommand;
extern const Command kCallCommand;
extern const Command kRemindersCommand;
extern const Command kOutboxListCommand;
extern const Command kOutboxShowCommand;
extern const Command kOutboxRetryCommand;
extern const Command kOutboxDropCommand;
extern const Command kSnapshotListCommand;
extern const Command kSnapshotShowCommand;
extern const Command kSnapshotExportCommand;
extern const Command kSnapshotImportCommand;
extern const Command kSnapshotDiffCommand;
extern const Command kSnapshotVerifyCommand;
extern const Command kSnapshotRmCommand;
extern const Command kSnapshotPruneCommand;
extern const Command kSchemaShowCommand;
extern const Command kSchemaCheckCommand;
extern const Command kSchemaExportCommand;
extern const Command kBackupCommand;
extern const Command kRestoreCommand;
extern const Command kReshardCommand;
extern const Command kDoctorCommand;
extern const Command kConfigListCommand;
extern const Command kConfigGetCommand;
extern const Command kConfigSetCommand;
extern const Command kConfigUnsetCommand;
extern const Command kCompletionsCommand;
extern const Command kCompleteCommand;
extern const Command kManualCommand;
extern const Command kHelpCommand;

}  // namespace epic::cli

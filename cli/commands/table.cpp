#include "cli/commands/table.hpp"

#include <algorithm>
#include <array>

namespace epic::cli {
namespace {

constexpr std::array<std::string_view, 3> kFormats = {"text", "json", "jsonl"};
constexpr std::array<std::string_view, 3> kColors = {"auto", "always", "never"};

constexpr OptionSpec kGlobalOptions[] = {
    {.name = "format",
     .letter = 'o',
     .value = "FORMAT",
     .summary = "How data is printed: text, json or jsonl",
     .environment = "EPIC_FORMAT",
     .fallback = "text",
     .choices = kFormats,
     .completes = Completes::choice},
    {.name = "project",
     .letter = 'C',
     .value = "DIR",
     .summary = "Directory of the project, or one inside it",
     .environment = "EPIC_PROJECT",
     .fallback = "the working directory",
     .completes = Completes::directory},
    {.name = "color",
     .value = "WHEN",
     .summary = "Colours: auto, always or never (NO_COLOR and CLICOLOR_FORCE are heeded)",
     .environment = "EPIC_COLOR",
     .fallback = "auto",
     .choices = kColors,
     .completes = Completes::choice},
    {.name = "quiet", .letter = 'q', .summary = "Say nothing but warnings and errors"},
    {.name = "verbose", .letter = 'v', .summary = "Say more; -vv says everything"},
    {.name = "help", .letter = 'h', .summary = "Print this page"},
    {.name = "version", .summary = "Print the version"},
};

}  // namespace

std::span<const OptionSpec> global_options() { return kGlobalOptions; }

std::span<const Command* const> commands() {
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
  return kCommands;
}

const Command* find_command(std::string_view path) {
  const auto found = std::ranges::find_if(commands(), [&](const Command* command) { return command->path == path; });
  return found == commands().end() ? nullptr : *found;
}

bool is_noun(std::string_view word) {
  return std::ranges::any_of(commands(), [&](const Command* command) {
    return command->path.size() > word.size() && command->path.starts_with(word) && command->path[word.size()] == ' ';
  });
}

std::vector<std::string> first_words() {
  std::vector<std::string> words;
  for (const Command* command : commands()) {
    if (command->is_hidden) continue;
    std::string word(command->path.substr(0, command->path.find(' ')));
    if (words.empty() || words.back() != word) words.push_back(std::move(word));
  }
  return words;
}

std::vector<std::string> verbs_of(std::string_view noun) {
  std::vector<std::string> words;
  for (const Command* command : commands())
    if (!command->is_hidden && command->path.starts_with(noun) && command->path.size() > noun.size() &&
        command->path[noun.size()] == ' ')
      words.emplace_back(command->path.substr(noun.size() + 1));
  return words;
}

std::string_view noun_summary(std::string_view noun) {
  if (noun == "snapshot") return "List, show, export and check the saved states of entities";
  if (noun == "schema") return "Show, check and export the schemas that states were saved with";
  return "";
}

}  // namespace epic::cli

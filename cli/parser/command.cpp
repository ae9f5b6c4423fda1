#include "cli/parser/command.hpp"

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
     .summary = "Output format: text, json or jsonl",
     .environment = "EPIC_FORMAT",
     .fallback = "text",
     .check = one_of(kFormats)},
    {.name = "project",
     .letter = 'C',
     .value = "DIR",
     .summary = "The project's directory, or one inside it",
     .environment = "EPIC_PROJECT",
     .fallback = "the working directory",
     .completes = Completes::directory},
    {.name = "color",
     .value = "WHEN",
     .summary = "Colours: auto, always or never (auto respects NO_COLOR and CLICOLOR_FORCE)",
     .environment = "EPIC_COLOR",
     .fallback = "auto",
     .check = one_of(kColors)},
    {.name = "quiet", .letter = 'q', .summary = "Print nothing but results, warnings and errors"},
    {.name = "verbose", .letter = 'v', .summary = "Print more; -vv prints everything"},
    {.name = "help", .letter = 'h', .summary = "Print this page"},
    {.name = "version", .summary = "Print the version"},
};

constexpr OptionSpec kConnectionOptions[] = {
    {.name = "connect",
     .value = "FABRIC",
     .summary =
         "A fabric elsewhere: HOST:PORT of one of its supervisors, or the name of a connection (epic config set)",
     .environment = "EPIC_CONNECT",
     .fallback = "the project's; outside of projects the setting connect",
     .completes = Completes::connection},
    {.name = "secret-file",
     .value = "FILE",
     .summary = "That fabric's secret",
     .environment = "EPIC_SECRET_FILE",
     .fallback = "that of the connection",
     .completes = Completes::file},
    {.name = "certificates",
     .value = "DIR",
     .summary = "Instead of a secret: authority.pem, certificate.pem and key.pem",
     .environment = "EPIC_CERTIFICATES",
     .completes = Completes::directory},
};

}  // namespace

std::span<const OptionSpec> connection_options() { return kConnectionOptions; }

std::vector<std::span<const OptionSpec>> shared_options(const Command& command) {
  std::vector<std::span<const OptionSpec>> all;
  if (command.connects) all.push_back(connection_options());
  all.push_back(global_options());
  return all;
}

std::span<const OptionSpec> global_options() { return kGlobalOptions; }

const Command* CommandTable::find(std::string_view path) const {
  const auto found = std::ranges::find(commands, path, [](const Command* command) { return command->path; });
  return found == commands.end() ? nullptr : *found;
}

const Noun* CommandTable::find_noun(std::string_view word) const {
  const auto found = std::ranges::find(nouns, word, &Noun::name);
  return found == nouns.end() ? nullptr : &*found;
}

std::vector<std::string> CommandTable::first_words() const {
  std::vector<std::string> words;
  for (const Command* command : commands) {
    std::string word(command->path.substr(0, command->path.find(' ')));
    if (!command->is_hidden && (words.empty() || words.back() != word)) words.push_back(std::move(word));
  }
  return words;
}

std::vector<std::string> CommandTable::verbs_of(std::string_view noun) const {
  std::vector<std::string> words;
  for (const Command* command : commands)
    if (const auto verb = command->verb_after(noun); !verb.empty() && !command->is_hidden) words.emplace_back(verb);
  return words;
}

}  // namespace epic::cli

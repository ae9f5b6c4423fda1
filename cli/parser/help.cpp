#include "cli/parser/help.hpp"

#include <fmt/format.h>

#include <array>

#include "cli/commands/table.hpp"

namespace epic::cli {
namespace {

std::string heading(const Console& console, std::string_view text) {
  return console.paint(Stream::out, Paint::bold, text) + "\n";
}

std::string indented(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    out += fmt::format("  {}\n", text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

std::string option_names(const OptionSpec& option) {
  std::string names =
      option.letter ? fmt::format("-{}, --{}", option.letter, option.name) : fmt::format("    --{}", option.name);
  if (!option.value.empty()) names += fmt::format(" {}", option.value);
  return names;
}

std::string option_lines(const Console& console, std::span<const OptionSpec> options) {
  std::size_t width = 0;
  for (const OptionSpec& option : options) width = std::max(width, option_names(option).size());
  std::string out;
  for (const OptionSpec& option : options) {
    const std::string names = option_names(option);
    std::string notes;
    if (!option.fallback.empty()) notes += fmt::format("default: {}", option.fallback);
    if (!option.environment.empty()) notes += fmt::format("{}env: {}", notes.empty() ? "" : ", ", option.environment);
    out += fmt::format("  {}{}  {}{}\n", console.paint(Stream::out, Paint::cyan, names),
                       std::string(width - names.size(), ' '), option.summary,
                       notes.empty() ? "" : console.paint(Stream::out, Paint::dim, fmt::format(" [{}]", notes)));
  }
  return out;
}

std::string usage_line(const Command& command) {
  std::string usage = fmt::format("epic {}", command.path);
  for (const PositionalSpec& positional : command.positionals) {
    const char* shape = positional.arity == Arity::one        ? " {}"
                        : positional.arity == Arity::some     ? " {}…"
                        : positional.arity == Arity::optional ? " [{}]"
                                                              : " [{}…]";
    usage += fmt::format(fmt::runtime(shape), positional.name);
  }
  return usage + " [OPTIONS]";
}

std::string command_lines(const Console& console, std::span<const std::pair<std::string, std::string>> lines) {
  std::size_t width = 0;
  for (const auto& line : lines) width = std::max(width, line.first.size());
  std::string out;
  for (const auto& [name, summary] : lines)
    out += fmt::format("  {}{}  {}\n", console.paint(Stream::out, Paint::cyan, name),
                       std::string(width - name.size(), ' '), summary);
  return out;
}

std::string_view title_of(Group group) {
  switch (group) {
    case Group::project:
      return "Project";
    case Group::fabric:
      return "Fabric";
    case Group::state:
      return "Entities and their state";
    case Group::tool:
      return "Tools";
  }
  return "";
}

struct ExitCodeText {
  ExitCode code;
  std::string_view meaning;
};

constexpr std::array<ExitCodeText, 7> kExitCodes = {{
    {ExitCode::ok, "it worked"},
    {ExitCode::failed, "it was tried and failed"},
    {ExitCode::usage, "the command line or epic.toml is wrong; nothing was tried"},
    {ExitCode::not_found, "there is no such fabric, entity, type, method or node"},
    {ExitCode::unreachable, "the fabric is there, but does not answer"},
    {ExitCode::build_failed, "the module did not compile, link or load"},
    {ExitCode::interrupted, "interrupted with Ctrl-C"},
}};

}  // namespace

std::string overview_page(const Console& console) {
  std::string out = "epic: virtual actors for C++, on a fabric of several processes\n\n" + heading(console, "Example");
  out += indented(
      "epic new arena --template game\n"
      "cd arena\n"
      "epic run --nodes 4\n"
      "epic inspect Player/Bob\n"
      "epic snapshot export");
  for (const Group group : {Group::project, Group::fabric, Group::state, Group::tool}) {
    std::vector<std::pair<std::string, std::string>> lines;
    for (const Command* command : commands()) {
      if (command->is_hidden || command->group != group) continue;
      const std::string word(command->path.substr(0, command->path.find(' ')));
      if (word == command->path)
        lines.emplace_back(word, command->summary);
      else if (lines.empty() || lines.back().first != word)
        lines.emplace_back(word, noun_summary(word));
    }
    if (!lines.empty()) out += "\n" + heading(console, title_of(group)) + command_lines(console, lines);
  }
  out += "\n" + heading(console, "Options of every command") + option_lines(console, global_options());
  out += "\n'epic help COMMAND' tells more; 'epic help exit-codes' lists what a script can rely on.\n";
  return out;
}

std::string command_page(const Console& console, const Command& command) {
  std::string out = fmt::format("epic {}: {}\n\n", command.path, command.summary);
  out += heading(console, "Example") + indented(command.example);
  out += "\n" + heading(console, "Usage") + indented(usage_line(command));
  if (!command.description.empty()) out += fmt::format("\n{}\n", command.description);
  if (!command.positionals.empty()) {
    std::vector<std::pair<std::string, std::string>> lines;
    for (const PositionalSpec& positional : command.positionals)
      lines.emplace_back(positional.name, positional.summary);
    out += "\n" + heading(console, "Arguments") + command_lines(console, lines);
  }
  if (!command.options.empty()) out += "\n" + heading(console, "Options") + option_lines(console, command.options);
  out += "\n" + heading(console, "Options of every command") + option_lines(console, global_options());
  if (!command.exit_codes.empty()) {
    std::vector<std::pair<std::string, std::string>> lines;
    for (const ExitNote& note : command.exit_codes)
      lines.emplace_back(std::to_string(static_cast<int>(note.code)), note.meaning);
    out += "\n" + heading(console, "Exit codes") + command_lines(console, lines);
  }
  return out;
}

std::string noun_page(const Console& console, std::string_view noun) {
  std::string out = fmt::format("epic {}: {}\n\n", noun, noun_summary(noun));
  std::vector<std::pair<std::string, std::string>> lines;
  std::string example;
  for (const Command* command : commands()) {
    if (command->is_hidden || !command->path.starts_with(std::string(noun) + " ")) continue;
    lines.emplace_back(command->path, command->summary);
    example += fmt::format("{}\n", command->example.substr(0, command->example.find('\n')));
  }
  out += heading(console, "Example") + indented(example) + "\n" + heading(console, "Commands") +
         command_lines(console, lines);
  return out + fmt::format("\n'epic help {} COMMAND' tells more.\n", noun);
}

std::string exit_codes_page(const Console& console) {
  std::string out =
      "epic: exit codes\n\n" + heading(console, "Example") + indented("epic ps -q || echo \"exit code $?\"") + "\n";
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& [code, meaning] : kExitCodes) lines.emplace_back(std::to_string(static_cast<int>(code)), meaning);
  out += heading(console, "Exit codes") + command_lines(console, lines);
  out += "\nA program that epic started and that a signal ended gives 128 + the signal's number.\n";
  return out;
}

}  // namespace epic::cli

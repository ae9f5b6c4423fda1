#include "cli/parser/help.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace epic::cli {
namespace {

constexpr std::string_view kConnectionTitle = "Options for a fabric elsewhere";

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

/// Two columns; the second is wrapped to the terminal.
std::string two_columns(const Console& console, const Lines& lines) {
  std::size_t width = 0;
  for (const auto& line : lines) width = std::max(width, display_width(line.first));
  std::string out;
  for (const auto& [name, text] : lines)
    out += fmt::format("  {}{}  {}\n", console.paint(Stream::out, Paint::cyan, name),
                       std::string(width - display_width(name), ' '),
                       wrapped(text, console.width(Stream::out), width + 4));
  return out;
}

std::string option_lines(const Console& console, std::span<const OptionSpec> options) {
  Lines lines;
  for (const OptionSpec& option : options) lines.emplace_back(option_names(option), option_text(option));
  return two_columns(console, lines);
}

// By Group.
constexpr std::string_view kTitles[] = {"Project", "Fabric", "Entities and their state", "Tools"};

constexpr ExitNote kExitCodes[] = {
    {ExitCode::ok, "success"},
    {ExitCode::failed, "the operation failed"},
    {ExitCode::usage, "the command line or epic.toml is invalid; nothing was done"},
    {ExitCode::not_found, "there is no such fabric, entity, type, method or node"},
    {ExitCode::unreachable, "the fabric is there but does not answer"},
    {ExitCode::build_failed, "the module did not compile, link or load"},
    {ExitCode::interrupted, "interrupted with Ctrl-C"},
};

}  // namespace

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

std::string option_text(const OptionSpec& option) {
  std::string notes;
  if (!option.fallback.empty()) notes += fmt::format("default: {}", option.fallback);
  if (!option.environment.empty()) notes += fmt::format("{}env: {}", notes.empty() ? "" : ", ", option.environment);
  return std::string(option.summary) + (notes.empty() ? "" : fmt::format(" [{}]", notes));
}

std::string_view title_of(Group group) { return kTitles[static_cast<std::size_t>(group)]; }

std::string_view overview_title() { return "virtual actors for C++, on a fabric of several processes"; }

std::string_view overview_example() {
  return "epic new arena --template game\n"
         "cd arena\n"
         "epic run --nodes 4\n"
         "epic inspect Player/Bob\n"
         "epic snapshot export";
}

std::string overview_page(const Console& console, const CommandTable& table) {
  std::string out = fmt::format("epic: {}\n\n", overview_title());
  out += heading(console, "Example") + indented(overview_example());
  for (const Group group : {Group::project, Group::fabric, Group::state, Group::tool}) {
    Lines lines;
    for (const Command* command : table.commands) {
      if (command->is_hidden || command->group != group) continue;
      const std::string word(command->path.substr(0, command->path.find(' ')));
      const Noun* noun = table.find_noun(word);
      if (lines.empty() || lines.back().first != word)
        lines.emplace_back(word, noun ? noun->summary : command->summary);
    }
    if (!lines.empty()) out += "\n" + heading(console, title_of(group)) + two_columns(console, lines);
  }
  out += "\n" + heading(console, "Options of every command") + option_lines(console, global_options());
  out += "\n" + heading(console, kConnectionTitle) + option_lines(console, connection_options());
  out += "\n'epic help COMMAND' explains one. See also 'epic help config' and\n'epic help exit-codes'.\n";
  return out;
}

std::string command_page(const Console& console, const Command& command) {
  std::string out =
      wrapped(fmt::format("epic {}: {}", command.path, command.summary), console.width(Stream::out), 2) + "\n\n";
  out += heading(console, "Example") + indented(command.example);
  out += "\n" + heading(console, "Usage") + indented(usage_line(command));
  if (!command.description.empty())
    out += fmt::format("\n{}\n", wrapped(command.description, console.width(Stream::out), 0));
  if (!command.positionals.empty()) {
    Lines lines;
    for (const PositionalSpec& positional : command.positionals)
      lines.emplace_back(positional.name, positional.summary);
    out += "\n" + heading(console, "Arguments") + two_columns(console, lines);
  }
  if (!command.options.empty()) out += "\n" + heading(console, "Options") + option_lines(console, command.options);
  if (command.connects) out += "\n" + heading(console, kConnectionTitle) + option_lines(console, connection_options());
  out += "\n" + heading(console, "Options of every command") + option_lines(console, global_options());
  if (!command.exit_codes.empty()) {
    Lines lines;
    for (const ExitNote& note : command.exit_codes)
      lines.emplace_back(std::to_string(static_cast<int>(note.code)), note.meaning);
    out += "\n" + heading(console, "Exit codes") + two_columns(console, lines);
  }
  return out;
}

std::string noun_page(const Console& console, const CommandTable& table, const Noun& noun) {
  std::string out = fmt::format("epic {}: {}\n\n", noun.name, noun.summary);
  Lines lines;
  std::string example;
  for (const Command* command : table.commands) {
    if (command->is_hidden || command->verb_after(noun.name).empty()) continue;
    lines.emplace_back(command->path, command->summary);
    example += fmt::format("{}\n", command->example.substr(0, command->example.find('\n')));
  }
  out += heading(console, "Example") + indented(example) + "\n" + heading(console, "Commands") +
         two_columns(console, lines);
  return out + fmt::format("\n'epic help {} COMMAND' explains one.\n", noun.name);
}

std::span<const ExitNote> list_exit_codes() { return kExitCodes; }

std::string exit_codes_page(const Console& console) {
  Lines lines;
  for (const auto& [code, meaning] : kExitCodes) lines.emplace_back(std::to_string(static_cast<int>(code)), meaning);
  return topic_page(console, "exit codes", "epic ps -q || echo \"exit code $?\"", {{"Exit codes", lines}},
                    "If a signal ended a program that epic started, the exit code is 128 + the signal's number.");
}

std::string topic_page(const Console& console, std::string_view title, std::string_view example,
                       const Sections& sections, std::string_view last) {
  std::string out = fmt::format("epic: {}\n\n", title) + heading(console, "Example") + indented(example);
  for (const auto& [name, lines] : sections) out += "\n" + heading(console, name) + two_columns(console, lines);
  return out + fmt::format("\n{}\n", wrapped(last, console.width(Stream::out), 0));
}

}  // namespace epic::cli

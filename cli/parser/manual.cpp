#include "cli/parser/manual.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

namespace epic::cli {
namespace {

/// `text` as roff shows it unchanged.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool starts_line = out.empty() || out.back() == '\n';
    switch (c) {
      case '.':
        out += starts_line ? "\\&." : ".";
        break;
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string bold(std::string_view text) { return fmt::format("\\fB{}\\fR", roff(text)); }
std::string italic(std::string_view text) { return fmt::format("\\fI{}\\fR", roff(text)); }

/// "epic-snapshot-export" for the command "snapshot export".
std::string page_of(std::string_view path) {
  std::string name = fmt::format("epic-{}", path);
  std::ranges::replace(name, ' ', '-');
  return name;
}

std::string reference(std::string_view page, int section) { return fmt::format("{}({})", bold(page), section); }

std::string head(std::string_view page, int section, std::string_view version, std::string_view summary) {
  std::string title(page);
  std::ranges::transform(title, title.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return fmt::format(".TH {} {} \"\" \"epic {}\" \"The manual of epic\"\n.SH NAME\n{} \\- {}\n", roff(title), section,
                     roff(version), roff(page), roff(summary));
}

std::string section_of(std::string_view title, std::string_view body) {
  return body.empty() ? std::string() : fmt::format(".SH {}\n{}", roff(title), body);
}

std::string entry(std::string_view term, std::string_view text) {
  return fmt::format(".TP\n{}\n{}\n", term, roff(text));
}

std::string as_typed(std::string_view lines) { return fmt::format(".EX\n{}\n.EE\n", roff(lines)); }

std::string paragraphs(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find("\n\n");
    out += fmt::format("{}{}\n", out.empty() ? "" : ".PP\n", roff(text.substr(0, end)));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 2);
  }
  return out;
}

std::string option_entries(std::span<const OptionSpec> options) {
  std::string out;
  for (const OptionSpec& option : options) {
    std::string term = bold(fmt::format("--{}", option.name));
    if (option.letter != 0) term = fmt::format("{}, {}", bold(fmt::format("-{}", option.letter)), term);
    if (!option.value.empty()) term += " " + italic(option.value);
    out += entry(term, option_text(option));
  }
  return out;
}

std::string exit_entries(std::span<const ExitNote> notes) {
  std::string out;
  for (const ExitNote& note : notes) out += entry(bold(std::to_string(static_cast<int>(note.code))), note.meaning);
  return out;
}

/// Every variable that an option is read from, with the options.
std::string environment_entries(const CommandTable& table) {
  std::map<std::string_view, std::string> uses;
  const auto add = [&](const OptionSpec& option, std::string_view of) {
    if (option.environment.empty()) return;
    std::string& use = uses[option.environment];
    use += fmt::format("{}--{} of {}", use.empty() ? "" : ", ", option.name, of);
  };
  for (const OptionSpec& option : global_options()) add(option, "every command");
  for (const OptionSpec& option : connection_options()) add(option, "commands that take --connect");
  for (const Command* command : table.commands)
    if (!command->is_hidden)
      for (const OptionSpec& option : command->options) add(option, fmt::format("epic {}", command->path));
  std::string out;
  for (const auto& [variable, use] : uses) out += entry(bold(variable), use);
  return out;
}

ManualPage overview_manual(const CommandTable& table, std::string_view version) {
  std::string commands;
  for (const Group group : {Group::project, Group::fabric, Group::state, Group::tool}) {
    commands += fmt::format(".SS {}\n", roff(title_of(group)));
    for (const Command* command : table.commands)
      if (!command->is_hidden && command->group == group)
        commands += entry(reference(page_of(command->path), 1), command->summary);
  }
  const std::string text =
      head("epic", 1, version, overview_title()) +
      section_of("SYNOPSIS", fmt::format("{} {} [{}]\n", bold("epic"), italic("COMMAND"), italic("OPTIONS"))) +
      section_of("EXAMPLES", as_typed(overview_example())) + section_of("COMMANDS", commands) +
      section_of("OPTIONS OF EVERY COMMAND", option_entries(global_options())) +
      section_of("OPTIONS FOR A FABRIC ELSEWHERE", option_entries(connection_options())) +
      section_of("EXIT STATUS", exit_entries(list_exit_codes())) +
      section_of("ENVIRONMENT", environment_entries(table)) +
      section_of("SEE ALSO", fmt::format("{}\n", reference("epic.toml", 5)));
  return {"epic.1", text};
}

ManualPage command_page(const CommandTable& table, const Command& command, std::string_view version) {
  std::string words;
  for (const PositionalSpec& positional : command.positionals)
    words += entry(italic(positional.name), positional.summary);
  const std::string_view noun = command.path.substr(0, command.path.find(' '));
  std::string related = reference("epic", 1);
  for (const Command* other : table.commands)
    if (other != &command && !other->is_hidden && !other->verb_after(noun).empty())
      related += fmt::format(", {}", reference(page_of(other->path), 1));
  related += fmt::format(", {}", reference("epic.toml", 5));
  const std::string text = head(page_of(command.path), 1, version, command.summary) +
                           section_of("SYNOPSIS", fmt::format("{}\n", bold(usage_line(command)))) +
                           section_of("DESCRIPTION", paragraphs(command.description)) + section_of("ARGUMENTS", words) +
                           section_of("OPTIONS", option_entries(command.options)) +
                           section_of("OPTIONS FOR A FABRIC ELSEWHERE",
                                      command.connects ? option_entries(connection_options()) : std::string()) +
                           section_of("OPTIONS OF EVERY COMMAND", option_entries(global_options())) +
                           section_of("EXIT STATUS", exit_entries(command.exit_codes)) +
                           section_of("EXAMPLES", as_typed(command.example)) + section_of("SEE ALSO", related + "\n");
  return {page_of(command.path) + ".1", text};
}

}  // namespace

std::vector<ManualPage> command_manual(const CommandTable& table, std::string_view version) {
  std::vector<ManualPage> pages = {overview_manual(table, version)};
  for (const Command* command : table.commands)
    if (!command->is_hidden) pages.push_back(command_page(table, *command, version));
  return pages;
}

ManualPage settings_manual(const Sections& sections, std::string_view example, std::string_view last,
                           std::string_view version) {
  std::string settings;
  for (const auto& [name, lines] : sections) {
    settings += fmt::format(".SS {}\n", roff(name));
    for (const auto& [setting, text] : lines) settings += entry(bold(setting), text);
  }
  const std::string text = head("epic.toml", 5, version, "the settings of an epic project") +
                           section_of("DESCRIPTION", paragraphs(last)) + section_of("EXAMPLES", as_typed(example)) +
                           section_of("SETTINGS", settings) +
                           section_of("SEE ALSO", fmt::format("{}\n", reference("epic", 1)));
  return {"epic.toml.5", text};
}

}  // namespace epic::cli

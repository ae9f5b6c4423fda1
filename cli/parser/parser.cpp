#include "cli/parser/parser.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "cli/commands/table.hpp"
#include "cli/output/suggest.hpp"

namespace epic::cli {
namespace {

// CLI11 gives meanings of its own to words that begin with '[' or '{' and takes negative numbers for flags. A mark in
// front of every word that is no flag keeps it from that; it is taken off again after parsing.
constexpr char kMark = '\x01';

bool is_flag(std::string_view word) {
  if (word.size() < 2 || word[0] != '-') return false;
  const bool number = std::isdigit(static_cast<unsigned char>(word[1])) || (word[1] == '.' && word.size() > 2);
  return !number;
}

const OptionSpec* find_option(std::string_view flag) {
  std::string_view name = flag.substr(0, flag.find('='));
  const auto matches = [&](const OptionSpec& option) {
    if (name.starts_with("--")) return name.substr(2) == option.name;
    return option.letter != 0 && flag[1] == option.letter;
  };
  for (const OptionSpec& option : global_options())
    if (matches(option)) return &option;
  for (const Command* command : commands())
    for (const OptionSpec& option : command->options)
      if (matches(option)) return &option;
  return nullptr;
}

// True if the word after `flag` is its value.
bool takes_next_word(std::string_view flag) {
  const OptionSpec* option = find_option(flag);
  if (option == nullptr || option->value.empty()) return false;
  return flag.starts_with("--") ? flag.find('=') == std::string_view::npos : flag.size() == 2;
}

std::string marked(const std::string& word) { return kMark + word; }

std::vector<std::string> unmarked(std::vector<std::string> words) {
  for (std::string& word : words)
    if (!word.empty() && word.front() == kMark) word.erase(0, 1);
  return words;
}

std::string flag_names(const OptionSpec& option) {
  return option.letter ? fmt::format("-{},--{}", option.letter, option.name) : fmt::format("--{}", option.name);
}

std::vector<OptionSpec> options_of(const Command& command) {
  std::vector<OptionSpec> options(command.options.begin(), command.options.end());
  options.insert(options.end(), global_options().begin(), global_options().end());
  return options;
}

const char* variable_of(const OptionSpec& option) {
  return option.environment.empty() ? nullptr : std::getenv(std::string(option.environment).c_str());
}

Failure unknown_flag(const Command& command, const std::string& flag) {
  std::vector<std::string> known;
  for (const OptionSpec& option : options_of(command)) known.push_back("--" + std::string(option.name));
  Failure failure{.code = ExitCode::usage, .what = fmt::format("'epic {}' has no option {}", command.path, flag)};
  const std::string near = flag.starts_with("--") ? find_near(flag.substr(0, flag.find('=')), known) : "";
  failure.help.push_back(near.empty() ? fmt::format("read 'epic help {}'", command.path)
                                      : fmt::format("did you mean {}?", near));
  return failure;
}

Result<void> check_choices(const Command& command, const Arguments& arguments) {
  for (const OptionSpec& option : options_of(command)) {
    const auto value = arguments.value(option.name);
    if (!value || option.choices.empty() || std::ranges::find(option.choices, *value) != option.choices.end()) continue;
    const std::vector<std::string> known(option.choices.begin(), option.choices.end());
    Failure failure = arguments.bad_value(
        option.name, fmt::format("--{} takes {}, not \"{}\"", option.name, alternatives(known), *value));
    if (const std::string near = find_near(*value, known); !near.empty())
      failure.help = {fmt::format("did you mean --{} {}?", option.name, near)};
    return fail(std::move(failure));
  }
  return {};
}

// A flag at the end that lacks its value.
Result<void> check_last_flag(const Command& command, const std::vector<std::string>& rest) {
  if (rest.empty() || !is_flag(rest.back()) || !takes_next_word(rest.back())) return {};
  if (std::ranges::find(rest, "--") != rest.end()) return {};
  const OptionSpec* option = find_option(rest.back());
  return fail(
      usage_failure(command, fmt::format("{} needs {}", rest.back(), option->value), std::string(option->summary)));
}

Result<void> check_words(const Command& command, const Arguments& arguments) {
  std::size_t needed = 0;
  std::size_t most = 0;
  for (const PositionalSpec& positional : command.positionals) {
    if (positional.arity == Arity::one || positional.arity == Arity::some) {
      if (arguments.words().size() <= needed)
        return fail(usage_failure(command, fmt::format("'epic {}' needs {}", command.path, positional.name),
                                  std::string(positional.summary)));
      ++needed;
    }
    most = has_no_end(positional.arity) ? SIZE_MAX : most + 1;
  }
  if (arguments.words().size() > most)
    return fail(usage_failure(
        command, fmt::format("'epic {}' does not know what to do with \"{}\"", command.path, arguments.words()[most])));
  return {};
}

}  // namespace

Verb find_verb(const std::vector<std::string>& words) {
  Verb verb;
  std::size_t i = 0;
  const auto skip_flags = [&] {
    while (i < words.size() && words[i] != "--" && is_flag(words[i])) {
      verb.rest.push_back(words[i]);
      if (takes_next_word(words[i]) && i + 1 < words.size()) verb.rest.push_back(words[++i]);
      ++i;
    }
  };
  skip_flags();
  if (i < words.size() && words[i] != "--") {
    const std::string& first = words[i++];
    if (is_noun(first)) {
      verb.noun = first;
      skip_flags();
      if (i < words.size() && words[i] != "--") {
        verb.command = find_command(first + " " + words[i]);
        if (verb.command == nullptr) verb.unknown = words[i];
        ++i;
      }
    } else {
      verb.command = find_command(first);
      if (verb.command == nullptr) {
        verb.unknown = first;
        verb.after.assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
      }
    }
  }
  verb.rest.insert(verb.rest.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
  return verb;
}

Result<Arguments> parse(const Command& command, const std::vector<std::string>& rest) {
  if (auto checked = check_last_flag(command, rest); !checked) return std::unexpected(std::move(checked.error()));
  CLI::App app;
  app.set_help_flag();
  std::vector<std::pair<OptionSpec, CLI::Option*>> bound;
  for (const OptionSpec& option : options_of(command)) {
    CLI::Option* added = option.value.empty() ? app.add_flag(flag_names(option)) : app.add_option(flag_names(option));
    if (!option.value.empty()) added->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    bound.emplace_back(option, added);
  }
  CLI::Option* positionals = app.add_option("words");
  positionals->expected(0, CLI::detail::expected_max_vector_size)->allow_extra_args();

  // CLI11 takes its words last first.
  std::vector<std::string> reversed;
  bool flags_over = false;
  for (const std::string& word : rest) {
    reversed.push_back(!flags_over && is_flag(word) ? word : marked(word));
    if (!flags_over && word == "--") flags_over = true;
  }
  std::ranges::reverse(reversed);
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ExtrasError&) {
    const auto extras = unmarked(app.remaining());
    return fail(unknown_flag(command, extras.empty() ? std::string() : extras.front()));
  } catch (const CLI::ParseError& error) {
    return fail(usage_failure(command, fmt::format("'epic {}' cannot be understood: {}", command.path, error.what())));
  }

  Arguments arguments(command);
  for (const auto& [option, added] : bound)
    if (added->count() > 0)
      arguments.set(option.name,
                    option.value.empty() ? std::vector<std::string>(added->count()) : unmarked(added->results()),
                    Origin::command_line);
    else if (const char* value = variable_of(option); value && *value)
      arguments.set(option.name, {value}, Origin::environment);
  arguments.set_words(unmarked(positionals->results()));
  if (auto checked = check_choices(command, arguments); !checked) return std::unexpected(std::move(checked.error()));
  if (arguments.has("help") || arguments.has("version")) return arguments;
  if (auto checked = check_words(command, arguments); !checked) return std::unexpected(std::move(checked.error()));
  return arguments;
}

Failure unknown_command(const Verb& verb) {
  const std::string prefix = verb.noun.empty() ? "" : verb.noun + " ";
  Failure failure{.code = ExitCode::usage,
                  .what = fmt::format("there is no command 'epic {}{}'", prefix, verb.unknown)};
  const std::string near = find_near(verb.unknown, verb.noun.empty() ? first_words() : verbs_of(verb.noun));
  failure.help.push_back(near.empty()
                             ? fmt::format("'epic help{}' lists all commands", verb.noun.empty() ? "" : " " + verb.noun)
                             : fmt::format("did you mean 'epic {}{}'?", prefix, near));
  return failure;
}

}  // namespace epic::cli

#include "cli/parser/parser.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

#include "cli/output/humanize.hpp"
#include "cli/output/suggest.hpp"
#include "reflect/utf8.hpp"

namespace epic::cli {
namespace {

constexpr int kWordsMax = 100'000;

// CLI11 takes its words last first.
std::vector<std::string> reversed(std::vector<std::string> words) {
  std::ranges::reverse(words);
  return words;
}

bool is_flag(std::string_view word) { return word.size() > 1 && word[0] == '-'; }

CLI::Option* add_option(CLI::App& app, const OptionSpec& option) {
  const std::string names =
      option.letter ? fmt::format("-{},--{}", option.letter, option.name) : fmt::format("--{}", option.name);
  if (option.value.empty()) return app.add_flag(names)->disable_flag_override();
  return app.add_option(names)
      ->expected(option.needs_value() ? 1 : 0, 1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

std::vector<OptionSpec> options_of(const Command& command) {
  std::vector<OptionSpec> options(command.options.begin(), command.options.end());
  for (const auto& shared : shared_options(command)) options.insert(options.end(), shared.begin(), shared.end());
  return options;
}

/// Why `value` does not pass; empty if it does. `name` is "--nodes" or "N".
std::string find_fault(const Check& check, std::string_view name, const std::string& value) {
  switch (check.kind) {
    case Check::Kind::any:
      return {};
    case Check::Kind::choice: {
      if (std::ranges::find(check.choices, value) != check.choices.end()) return {};
      const std::vector<std::string> known(check.choices.begin(), check.choices.end());
      return fmt::format("{} takes {}, not \"{}\"", name, alternatives(known), value);
    }
    case Check::Kind::number:
      if (parse_whole_number(value, check.min, check.max)) return {};
      if (check.max == INT64_MAX)
        return fmt::format("{} takes a whole number from {}, not \"{}\"", name, check.min, value);
      return fmt::format("{} takes a whole number from {} to {}, not \"{}\"", name, check.min, check.max, value);
    case Check::Kind::duration:
      if (parse_duration(value)) return {};
      return fmt::format("{} takes a duration such as 250ms, 30s or 5m, of at most 36500d, not \"{}\"", name, value);
  }
  return {};
}

/// One command as CLI11 parses it.
class CommandApp {
 public:
  explicit CommandApp(const Command& command) : command_(command), specs_(options_of(command)) {
    app_.set_help_flag("-h,--help");
    app_.set_version_flag("--version", EPIC_VERSION);
    for (const OptionSpec& spec : specs_) {
      if (spec.name == "help" || spec.name == "version") continue;
      CLI::Option* option = add_option(app_, spec);
      option->envname(std::string(spec.environment));
      watch(option, spec.check, "--" + std::string(spec.name));
      options_.emplace_back(&spec, option);
    }
    for (const PositionalSpec& spec : command.positionals) {
      // An unlimited number would make CLI11 take a word in brackets for a list.
      CLI::Option* word = app_.add_option(fmt::format("word{}", words_.size()));
      word->expected(spec.repeats() ? kWordsMax : 1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      word->required(spec.is_required());
      watch(word, spec.check, std::string(spec.name));
      words_.push_back(word);
    }
  }

  Parsed parse(const std::vector<std::string>& words) {
    Parsed parsed{.arguments = Arguments(command_)};
    parsed.failure = no_connection(words);
    if (parsed.failure) return parsed;
    try {
      app_.parse(reversed(words));
    } catch (const CLI::CallForHelp&) {
      parsed.arguments.set("help", {""});
    } catch (const CLI::CallForVersion&) {
      parsed.arguments.set("version", {""});
    } catch (const CLI::ValidationError&) {
      parsed.failure = bad_value();
    } catch (const CLI::ArgumentMismatch& error) {
      parsed.failure = mismatch(words, error);
    } catch (const CLI::ParseError& error) {  // a word too many or too few
      parsed.failure = left_over(error);
    }
    for (const auto& [spec, option] : options_)
      if (option->count() > 0) parsed.arguments.set(spec->name, option->results());
    for (const auto& [spec, option] : options_)
      if (std::ranges::find(app_.parse_order(), option) != app_.parse_order().end())
        parsed.arguments.note_typed(spec->name);
    for (const CLI::Option* word : words_) parsed.arguments.add_words(word->results());
    const bool is_checked = !command_.is_hidden && !parsed.arguments.has("help") && !parsed.arguments.has("version");
    if (!parsed.failure && is_checked) parsed.failure = no_text();
    return parsed;
  }

 private:
  struct Fault {
    const CLI::Option* option = nullptr;
    std::string text;
    std::string value;
    std::span<const std::string_view> choices;
  };

  void watch(CLI::Option* option, const Check& check, std::string name) {
    if (check.kind == Check::Kind::any) return;
    option->check([this, option, check, name = std::move(name)](const std::string& value) {
      std::string text = find_fault(check, name, value);
      if (!text.empty()) fault_ = {.option = option, .text = text, .value = value, .choices = check.choices};
      return text;
    });
  }

  /// Its value would be taken for a word of the command.
  std::optional<Failure> no_connection(const std::vector<std::string>& words) const {
    if (command_.connects) return std::nullopt;
    for (const std::string& word : words) {
      if (word == "--") return std::nullopt;
      if (word == "--connect" || word.starts_with("--connect="))
        return usage_failure(command_, fmt::format("'epic {}' does not work with --connect", command_.path),
                             "it needs the project's directory, or what is on this machine");
    }
    return std::nullopt;
  }

  Failure bad_value() const {
    Failure failure = usage_failure(command_, fault_.text);
    const auto given = app_.parse_order();
    if (!fault_.option->get_envname().empty() && std::ranges::find(given, fault_.option) == given.end())
      failure.why = fmt::format("the value comes from the environment variable {}", fault_.option->get_envname());
    const std::vector<std::string> known(fault_.choices.begin(), fault_.choices.end());
    if (const std::string near = find_near(fault_.value, known); !near.empty())
      failure.help = {fmt::format("did you mean {} {}?", fault_.option->get_name(), near)};
    return failure;
  }

  /// A path can have any bytes. Everything else is text, and would have to be changed to be sent or shown.
  std::optional<Failure> no_text() const {
    const auto find = [&](const CLI::Option* option, std::string_view name, Completes completes) {
      std::optional<Failure> failure;
      if (completes == Completes::file || completes == Completes::directory) return failure;
      for (const std::string& value : option->results()) {
        if (reflect::is_utf8(value)) continue;
        failure = usage_failure(command_, fmt::format("{} takes text in UTF-8, not \"{}\"", name, value));
        const auto given = app_.parse_order();
        if (!option->get_envname().empty() && std::ranges::find(given, option) == given.end())
          failure->why = fmt::format("the value comes from the environment variable {}", option->get_envname());
        break;
      }
      return failure;
    };
    for (std::size_t i = 0; i < words_.size(); ++i)
      if (auto failure = find(words_[i], command_.positionals[i].name, command_.positionals[i].completes))
        return failure;
    for (const auto& [spec, option] : options_)
      if (auto failure = find(option, "--" + std::string(spec->name), spec->completes)) return failure;
    return std::nullopt;
  }

  /// A flag without its value, which can only be the last word; or a value that a switch does not take.
  Failure mismatch(const std::vector<std::string>& words, const CLI::ParseError& error) const {
    for (const OptionSpec& spec : specs_) {
      const bool is_last =
          !words.empty() &&
          (words.back() == "--" + std::string(spec.name) ||
           (spec.letter && is_flag(words.back()) && words.back()[1] != '-' && words.back().back() == spec.letter));
      if (is_last && spec.needs_value())
        return usage_failure(command_, fmt::format("{} needs a value: {}", words.back(), spec.value),
                             std::string(spec.summary));
      for (const std::string& word : words)
        if (spec.value.empty() && word.starts_with(fmt::format("--{}=", spec.name)))
          return usage_failure(command_, fmt::format("--{} takes no value", spec.name));
    }
    return usage_failure(command_, error.what());
  }

  Failure left_over(const CLI::ParseError& error) const {
    for (const std::string& extra : app_.remaining()) {
      if (extra == "--") continue;
      if (!is_flag(extra)) return usage_failure(command_, fmt::format("unexpected argument \"{}\"", extra));
      std::vector<std::string> known;
      for (const OptionSpec& spec : specs_) known.push_back("--" + std::string(spec.name));
      const std::string flag = extra.substr(0, extra.find('='));
      Failure failure = usage_failure(command_, fmt::format("unknown option {}", flag));
      if (const std::string near = flag.starts_with("--") ? find_near(flag, known) : ""; !near.empty())
        failure.help = {fmt::format("did you mean {}?", near)};
      return failure;
    }
    for (std::size_t i = 0; i < words_.size(); ++i)
      if (words_[i]->get_required() && words_[i]->count() == 0)
        return usage_failure(command_, fmt::format("missing {}", command_.positionals[i].name),
                             std::string(command_.positionals[i].summary));
    return usage_failure(command_, error.what());
  }

  const Command& command_;
  std::vector<OptionSpec> specs_;
  CLI::App app_;
  std::vector<std::pair<const OptionSpec*, CLI::Option*>> options_;
  std::vector<CLI::Option*> words_;
  Fault fault_;
};

}  // namespace

Verb find_verb(const CommandTable& table, const std::vector<std::string>& words) {
  CLI::App app;
  app.set_help_flag();
  // At a name that is not known, everything after it belongs to whatever has that name.
  app.prefix_command()->require_subcommand(0, 1);
  std::set<std::string_view> known;
  const auto add_options = [&](std::span<const OptionSpec> options) {
    for (const OptionSpec& option : options)
      if (known.insert(option.name).second) add_option(app, option);
  };
  add_options(global_options());
  add_options(connection_options());

  Verb verb;
  std::vector<std::size_t> named;  // the places of noun and verb among the words
  const auto place_of = [&](std::size_t words_after) { return words.size() - words_after - 1; };
  std::map<std::string_view, CLI::App*> nouns;
  for (const Noun& noun : table.nouns) {
    CLI::App* added = app.add_subcommand(std::string(noun.name))->fallthrough();
    added->set_help_flag();
    added->preparse_callback([&, place_of](std::size_t words_after) {
      verb.noun = noun.name;
      named.push_back(place_of(words_after));
    });
    nouns[noun.name] = added;
  }
  for (const Command* command : table.commands) {
    add_options(command->options);
    const std::size_t space = command->path.find(' ');
    CLI::App* parent = space == std::string_view::npos ? &app : nouns.at(command->path.substr(0, space));
    CLI::App* added = parent->add_subcommand(std::string(command->path.substr(space + 1)));
    added->preparse_callback([&, command, place_of](std::size_t words_after) {
      verb.command = command;
      named.push_back(place_of(words_after));
      throw CLI::Success();  // the rest is for parse()
    });
  }
  try {
    app.parse(reversed(words));
  } catch (const CLI::Success&) {
  } catch (const CLI::ParseError&) {
    named.clear();  // a flag lacks its value, and no name follows: parse() says so
  }
  for (std::size_t i = 0; i < words.size(); ++i)
    if (std::ranges::find(named, i) == named.end()) verb.rest.push_back(words[i]);
  if (verb.command != nullptr) return verb;
  const auto left = app.remaining();
  const auto unknown = std::ranges::find_if_not(left, is_flag);
  if (unknown == left.end()) return verb;
  verb.unknown = *unknown;
  verb.after.assign(unknown + 1, left.end());
  return verb;
}

Parsed parse(const Command& command, const std::vector<std::string>& rest) { return CommandApp(command).parse(rest); }

Failure unknown_command(const CommandTable& table, const Verb& verb) {
  const std::string prefix = verb.noun.empty() ? "" : verb.noun + " ";
  std::vector<std::string> known = verb.noun.empty() ? table.first_words() : table.verbs_of(verb.noun);
  std::erase_if(known, [&](const std::string& word) {
    const Command* command = table.find(prefix + word);
    return command != nullptr && command->is_destructive;
  });
  Failure failure{.code = ExitCode::usage,
                  .what = fmt::format("there is no command 'epic {}{}'", prefix, verb.unknown)};
  const std::string near = find_near(verb.unknown, known);
  failure.help.push_back(near.empty()
                             ? fmt::format("'epic help{}' lists all commands", verb.noun.empty() ? "" : " " + verb.noun)
                             : fmt::format("did you mean 'epic {}{}'?", prefix, near));
  return failure;
}

}  // namespace epic::cli

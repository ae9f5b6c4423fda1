#include "cli/completion/completion.hpp"

#include <algorithm>
#include <array>

#include "cli/commands/table.hpp"
#include "cli/parser/parser.hpp"

namespace epic::cli {
namespace {

class Completer {
 public:
  Completer(std::string typed, NameSource& names) : typed_(std::move(typed)), names_(names) {}

  /// Whatever is added later is written after `prefix` ("--format=").
  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }

  void add(std::string_view word, std::string_view description = {}) {
    std::string whole = prefix_ + std::string(word);
    if (whole.starts_with(typed_)) result_.candidates.push_back({std::move(whole), std::string(description)});
  }

  void add_all(const std::vector<std::string>& words) {
    for (const std::string& word : words) add(word);
  }

  void add_commands() {
    for (const std::string& word : first_words()) {
      const Command* command = find_command(word);
      add(word, command ? command->summary : noun_summary(word));
    }
  }

  void add_verbs(const std::string& noun) {
    for (const std::string& word : verbs_of(noun)) add(word, find_command(noun + " " + word)->summary);
  }

  void add_flags(const Command* command, const std::vector<std::string>& given) {
    const auto add_flag = [&](const OptionSpec& option) {
      const std::string flag = "--" + std::string(option.name);
      if (std::ranges::find(given, flag) == given.end()) add(flag, option.summary);
    };
    if (command)
      for (const OptionSpec& option : command->options) add_flag(option);
    for (const OptionSpec& option : global_options()) add_flag(option);
  }

  /// `first` is the first word of the command's own, for a method of that entity.
  void add_values(Completes what, std::span<const std::string_view> choices, const std::string& first) {
    const std::string wanted = typed_.substr(std::min(prefix_.size(), typed_.size()));
    switch (what) {
      case Completes::nothing:
        return;
      case Completes::choice:
        for (std::string_view choice : choices) add(choice);
        return;
      case Completes::file:
        result_.paths = Completion::Paths::files;
        return;
      case Completes::directory:
        result_.paths = Completion::Paths::directories;
        return;
      case Completes::entity:
        return add_entities(wanted, "/");
      case Completes::type_or_entity:
        return add_entities(wanted, "");
      case Completes::method:
        return add_all(names_.methods(first.substr(0, first.find('/'))));
      case Completes::node:
        return add_all(names_.nodes());
      case Completes::template_name:
        return add_all(names_.templates());
      case Completes::shell:
        for (std::string_view shell : {"bash", "zsh", "fish"}) add(shell);
        return;
      case Completes::command:
        add_commands();
        return add("exit-codes", "What a script can rely on");
    }
  }

  Completion take() && {
    std::ranges::sort(result_.candidates, {}, &Candidate::word);
    return std::move(result_);
  }

 private:
  // Before the '/' there are types, after it keys.
  void add_entities(const std::string& wanted, std::string_view after_type) {
    if (wanted.find('/') != std::string::npos) return add_all(names_.entities(wanted));
    for (const std::string& type : names_.types()) add(type + std::string(after_type));
  }

  std::string typed_;
  std::string prefix_;
  NameSource& names_;
  Completion result_;
};

const OptionSpec* find_in(std::span<const OptionSpec> options, std::string_view flag) {
  for (const OptionSpec& option : options)
    if (flag == "--" + std::string(option.name) ||
        (flag.size() == 2 && option.letter != 0 && flag == std::string{'-', option.letter}))
      return &option;
  return nullptr;
}

const OptionSpec* find_flag(const Command* command, std::string_view flag) {
  if (command)
    if (const OptionSpec* option = find_in(command->options, flag)) return option;
  return find_in(global_options(), flag);
}

// The words of `rest` that are neither flags nor their values.
std::vector<std::string> plain_words(const Command& command, const std::vector<std::string>& rest) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i].size() < 2 || rest[i][0] != '-')
      words.push_back(rest[i]);
    else if (const OptionSpec* option = find_flag(&command, rest[i]); option && !option->value.empty())
      ++i;
  }
  return words;
}

const PositionalSpec* positional_at(const Command& command, std::size_t index) {
  if (index < command.positionals.size()) return &command.positionals[index];
  if (command.positionals.empty() || !has_no_end(command.positionals.back().arity)) return nullptr;
  return &command.positionals.back();
}

}  // namespace

Completion complete(const std::vector<std::string>& words, NameSource& names) {
  if (words.empty()) return {};
  const std::string& typed = words.back();
  const std::vector<std::string> before(words.begin(), words.end() - 1);
  const Verb verb = find_verb(before);
  Completer completer(typed, names);

  if (!before.empty()) {
    const OptionSpec* waiting = find_flag(verb.command, before.back());
    if (waiting && !waiting->value.empty()) {
      completer.add_values(waiting->completes, waiting->choices, {});
      return std::move(completer).take();
    }
  }
  if (const std::size_t equals = typed.find('='); typed.starts_with("--") && equals != std::string::npos) {
    if (const OptionSpec* option = find_flag(verb.command, typed.substr(0, equals))) {
      completer.set_prefix(typed.substr(0, equals + 1));
      completer.add_values(option->completes, option->choices, {});
    }
    return std::move(completer).take();
  }
  if (typed.starts_with('-')) {
    completer.add_flags(verb.command, before);
  } else if (verb.command == nullptr) {
    if (!verb.unknown.empty()) return {};
    if (verb.noun.empty())
      completer.add_commands();
    else
      completer.add_verbs(verb.noun);
  } else if (verb.command->path == "help" && !verb.rest.empty() && is_noun(verb.rest.front())) {
    completer.add_verbs(verb.rest.front());
  } else {
    const auto given = plain_words(*verb.command, verb.rest);
    if (const PositionalSpec* positional = positional_at(*verb.command, given.size()))
      completer.add_values(positional->completes, {}, given.empty() ? std::string() : given.front());
  }
  return std::move(completer).take();
}

}  // namespace epic::cli

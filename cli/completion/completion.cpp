#include "cli/completion/completion.hpp"

#include <algorithm>
#include <array>

#include "cli/parser/parser.hpp"

namespace epic::cli {
namespace {

class Completer {
 public:
  Completer(const CommandTable& table, std::string typed, NameSource& names)
      : table_(table), typed_(std::move(typed)), names_(names) {}

  /// Every candidate added later is written after `prefix` ("--format=").
  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }

  void add(std::string_view word, std::string_view description = {}) {
    std::string whole = prefix_ + std::string(word);
    if (whole.starts_with(typed_)) result_.candidates.push_back({std::move(whole), std::string(description)});
  }

  void add_all(const std::vector<std::string>& words) {
    for (const std::string& word : words) add(word);
  }

  void add_commands() {
    for (const std::string& word : table_.first_words()) {
      const Noun* noun = table_.find_noun(word);
      add(word, noun ? noun->summary : table_.find(word)->summary);
    }
  }

  void add_verbs(const std::string& noun) {
    for (const std::string& word : table_.verbs_of(noun)) add(word, table_.find(noun + " " + word)->summary);
  }

  void add_flags(const Command* command, const std::vector<std::string>& given) {
    const auto add_flag = [&](const OptionSpec& option) {
      const std::string flag = "--" + std::string(option.name);
      if (std::ranges::find(given, flag) == given.end()) add(flag, option.summary);
    };
    if (command)
      for (const OptionSpec& option : command->options) add_flag(option);
    if (command && command->connects)
      for (const OptionSpec& option : connection_options()) add_flag(option);
    for (const OptionSpec& option : global_options()) add_flag(option);
  }

  /// `first` is the command's first word, for a method of that entity.
  void add_values(Completes what, const Check& check, const std::string& first) {
    for (std::string_view choice : check.choices) add(choice);
    const std::string wanted = typed_.substr(std::min(prefix_.size(), typed_.size()));
    switch (what) {
      case Completes::nothing:
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
        if (wanted.starts_with('.') || wanted.contains('/')) result_.paths = Completion::Paths::directories;
        return add_all(names_.templates());
      case Completes::test:
        return add_all(names_.tests());
      case Completes::scenario:
        return add_all(names_.scenarios());
      case Completes::setting:
        return add_all(names_.settings());
      case Completes::connection:
        return add_all(names_.connections());
      case Completes::shell:
        for (std::string_view shell : {"bash", "zsh", "fish"}) add(shell);
        return;
      case Completes::command:
        add_commands();
        return add("exit-codes", "The exit codes, for scripts");
    }
  }

  Completion take() && {
    std::ranges::sort(result_.candidates, {}, &Candidate::word);
    return std::move(result_);
  }

 private:
  // Types before the '/', keys after it.
  void add_entities(const std::string& wanted, std::string_view after_type) {
    if (wanted.find('/') != std::string::npos) return add_all(names_.entities(wanted));
    for (const std::string& type : names_.types()) add(type + std::string(after_type));
  }

  const CommandTable& table_;
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
  if (!command || command->connects)
    if (const OptionSpec* option = find_in(connection_options(), flag)) return option;
  return find_in(global_options(), flag);
}

const PositionalSpec* positional_at(const Command& command, std::size_t index) {
  if (index < command.positionals.size()) return &command.positionals[index];
  if (command.positionals.empty() || !command.positionals.back().repeats()) return nullptr;
  return &command.positionals.back();
}

}  // namespace

Completion complete(const CommandTable& table, const std::vector<std::string>& words, NameSource& names) {
  if (words.empty()) return {};
  const std::string& typed = words.back();
  const std::vector<std::string> before(words.begin(), words.end() - 1);
  const Verb verb = find_verb(table, before);
  Completer completer(table, typed, names);

  if (!before.empty()) {
    const OptionSpec* waiting = find_flag(verb.command, before.back());
    const bool is_next = waiting && !waiting->value.empty() && (waiting->needs_value() || !typed.starts_with('-'));
    if (is_next) {
      completer.add_values(waiting->completes, waiting->check, {});
      return std::move(completer).take();
    }
  }
  if (const std::size_t equals = typed.find('='); typed.starts_with("--") && equals != std::string::npos) {
    if (const OptionSpec* option = find_flag(verb.command, typed.substr(0, equals))) {
      completer.set_prefix(typed.substr(0, equals + 1));
      completer.add_values(option->completes, option->check, {});
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
  } else if (verb.command->path == "help" && !verb.rest.empty() && table.find_noun(verb.rest.front())) {
    completer.add_verbs(verb.rest.front());
  } else {
    const auto given = parse(*verb.command, verb.rest).arguments.words();
    if (const PositionalSpec* positional = positional_at(*verb.command, given.size()))
      completer.add_values(positional->completes, positional->check, given.empty() ? std::string() : given.front());
  }
  return std::move(completer).take();
}

}  // namespace epic::cli

#pragma once
// Arguments: what was typed for one command, or set in the environment. The parser has checked every value against the
// table, so reading one cannot fail.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/parser/command.hpp"

namespace epic::cli {

class Arguments {
 public:
  explicit Arguments(const Command& command) : command_(&command) {}

  [[nodiscard]] const Command& command() const { return *command_; }
  /// How often a switch was given.
  [[nodiscard]] int count(std::string_view option) const;
  [[nodiscard]] bool has(std::string_view option) const { return count(option) > 0; }
  /// The value of an option, from the command line or its environment variable. Empty if it may be left out and was.
  [[nodiscard]] std::optional<std::string> value(std::string_view option) const;
  /// The value of an option whose check is whole_number(); if it was not given, the table's default, if there is one.
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view option) const;
  /// The same for duration().
  [[nodiscard]] std::optional<std::chrono::milliseconds> duration(std::string_view option) const;
  /// The words that are not options, in order.
  [[nodiscard]] const std::vector<std::string>& words() const { return words_; }
  [[nodiscard]] std::optional<std::string> word(std::size_t index) const;

  /// It was given on the command line.
  [[nodiscard]] bool is_typed(std::string_view option) const { return typed_.contains(option); }

  void set(std::string_view option, std::vector<std::string> values) {
    options_[std::string(option)] = std::move(values);
  }
  void note_typed(std::string_view option) { typed_.emplace(option); }
  void add_words(const std::vector<std::string>& words) { words_.insert(words_.end(), words.begin(), words.end()); }

 private:
  [[nodiscard]] std::string value_or_default(std::string_view option) const;

  const Command* command_;
  std::map<std::string, std::vector<std::string>, std::less<>> options_;  // a switch has one value each time
  std::set<std::string, std::less<>> typed_;
  std::vector<std::string> words_;
};

/// The number, if `text` is a whole number from `min` to `max`.
std::optional<std::int64_t> parse_whole_number(std::string_view text, std::int64_t min, std::int64_t max);

/// A usage failure that ends with a pointer to the command's help.
Failure usage_failure(const Command& command, std::string what, std::string why = {});

}  // namespace epic::cli

#pragma once
// Arguments: what was typed for one command, as text, with the checks that turn it into numbers and durations.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands/command.hpp"

namespace epic::cli {

/// Where a value was found.
enum class Origin { command_line, environment };

class Arguments {
 public:
  explicit Arguments(const Command& command) : command_(&command) {}

  [[nodiscard]] const Command& command() const { return *command_; }
  /// How often a switch was given.
  [[nodiscard]] int count(std::string_view option) const;
  [[nodiscard]] bool has(std::string_view option) const { return count(option) > 0; }
  /// The value of an option, from the command line or its environment variable.
  [[nodiscard]] std::optional<std::string> value(std::string_view option) const;
  /// The value as a whole number within bounds; a usage failure names the option and the bounds.
  [[nodiscard]] Result<std::optional<std::int64_t>> number(std::string_view option, std::int64_t min,
                                                           std::int64_t max) const;
  /// The value as a duration such as 250ms, 30s or 5m.
  [[nodiscard]] Result<std::optional<std::chrono::milliseconds>> duration(std::string_view option) const;
  /// The words in their order.
  [[nodiscard]] const std::vector<std::string>& words() const { return words_; }
  [[nodiscard]] std::optional<std::string> word(std::size_t index) const;

  /// A failure about the value that an option has, which says so when the value comes from the environment.
  [[nodiscard]] Failure bad_value(std::string_view option, std::string what) const;

  void set(std::string_view option, std::vector<std::string> values, Origin origin) {
    options_[std::string(option)] = {std::move(values), origin};
  }
  void set_words(std::vector<std::string> words) { words_ = std::move(words); }

 private:
  [[nodiscard]] const OptionSpec* find_spec(std::string_view option) const;

  const Command* command_;
  struct Given {
    std::vector<std::string> values;  // a switch has one "" a time
    Origin origin = Origin::command_line;
  };
  std::map<std::string, Given, std::less<>> options_;
  std::vector<std::string> words_;
};

/// A failure of the usage kind that ends with where to read about the command.
Failure usage_failure(const Command& command, std::string what, std::string why = {});

}  // namespace epic::cli

#include "cli/parser/arguments.hpp"

#include <fmt/format.h>

#include <charconv>

#include "cli/output/humanize.hpp"

namespace epic::cli {

int Arguments::count(std::string_view option) const {
  const auto found = options_.find(option);
  return found == options_.end() ? 0 : static_cast<int>(found->second.size());
}

std::optional<std::string> Arguments::value(std::string_view option) const {
  const auto found = options_.find(option);
  if (found == options_.end() || found->second.empty()) return std::nullopt;
  return found->second.back();
}

std::string Arguments::value_or_default(std::string_view option) const {
  if (auto given = value(option)) return *given;
  auto tables = shared_options(*command_);
  tables.insert(tables.begin(), command_->options);
  for (const auto& options : tables)
    for (const OptionSpec& spec : options)
      if (spec.name == option) return std::string(spec.fallback);
  return {};
}

std::optional<std::int64_t> Arguments::number(std::string_view option) const {
  return parse_whole_number(value_or_default(option), INT64_MIN, INT64_MAX);
}

std::optional<std::chrono::milliseconds> Arguments::duration(std::string_view option) const {
  return parse_duration(value_or_default(option));
}

std::optional<std::string> Arguments::word(std::size_t index) const {
  if (index >= words_.size()) return std::nullopt;
  return words_[index];
}

std::optional<std::int64_t> parse_whole_number(std::string_view text, std::int64_t min, std::int64_t max) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < min || number > max) return std::nullopt;
  return number;
}

Failure usage_failure(const Command& command, std::string what, std::string why) {
  const std::string page = command.path == "help" ? "" : fmt::format(" {}", command.path);
  return Failure{.code = ExitCode::usage,
                 .what = std::move(what),
                 .why = std::move(why),
                 .help = {fmt::format("see 'epic help{}'", page)}};
}

}  // namespace epic::cli

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

Result<std::optional<std::int64_t>> Arguments::number(std::string_view option, std::int64_t min,
                                                      std::int64_t max) const {
  const auto text = value(option);
  if (!text) return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number < min || number > max)
    return fail(usage_failure(
        *command_, fmt::format("--{} takes a whole number from {} to {}, not \"{}\"", option, min, max, *text)));
  return number;
}

Result<std::optional<std::chrono::milliseconds>> Arguments::duration(std::string_view option) const {
  const auto text = value(option);
  if (!text) return std::optional<std::chrono::milliseconds>();
  const auto duration = parse_duration(*text);
  if (!duration)
    return fail(usage_failure(
        *command_, fmt::format("--{} takes a duration such as 250ms, 30s or 5m, not \"{}\"", option, *text)));
  return duration;
}

std::optional<std::string> Arguments::word(std::size_t index) const {
  if (index >= words_.size()) return std::nullopt;
  return words_[index];
}

Failure usage_failure(const Command& command, std::string what, std::string why) {
  return Failure{.code = ExitCode::usage,
                 .what = std::move(what),
                 .why = std::move(why),
                 .help = {fmt::format("read 'epic help {}'", command.path)}};
}

}  // namespace epic::cli

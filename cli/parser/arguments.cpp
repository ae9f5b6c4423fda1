#include "cli/parser/arguments.hpp"

#include <fmt/format.h>

#include <charconv>

#include "cli/commands/table.hpp"
#include "cli/output/humanize.hpp"

namespace epic::cli {

int Arguments::count(std::string_view option) const {
  const auto found = options_.find(option);
  return found == options_.end() ? 0 : static_cast<int>(found->second.values.size());
}

std::optional<std::string> Arguments::value(std::string_view option) const {
  const auto found = options_.find(option);
  if (found == options_.end() || found->second.values.empty()) return std::nullopt;
  return found->second.values.back();
}

Result<std::optional<std::int64_t>> Arguments::number(std::string_view option, std::int64_t min,
                                                      std::int64_t max) const {
  const auto text = value(option);
  if (!text) return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number < min || number > max)
    return fail(
        bad_value(option, fmt::format("--{} takes a whole number from {} to {}, not \"{}\"", option, min, max, *text)));
  return number;
}

Result<std::optional<std::chrono::milliseconds>> Arguments::duration(std::string_view option) const {
  const auto text = value(option);
  if (!text) return std::optional<std::chrono::milliseconds>();
  const auto duration = parse_duration(*text);
  if (!duration)
    return fail(bad_value(
        option,
        fmt::format("--{} takes a duration such as 250ms, 30s or 5m, of at most 36500d, not \"{}\"", option, *text)));
  return duration;
}

const OptionSpec* Arguments::find_spec(std::string_view option) const {
  for (const auto& options : {command_->options, global_options()})
    for (const OptionSpec& spec : options)
      if (spec.name == option) return &spec;
  return nullptr;
}

Failure Arguments::bad_value(std::string_view option, std::string what) const {
  Failure failure = usage_failure(*command_, std::move(what));
  const auto given = options_.find(option);
  const OptionSpec* spec = find_spec(option);
  if (given != options_.end() && spec && given->second.origin == Origin::environment)
    failure.why = fmt::format("the value comes from the environment variable {}", spec->environment);
  return failure;
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

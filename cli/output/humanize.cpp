#include "cli/output/humanize.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace epic::cli {

using namespace std::chrono;

std::string human_bytes(std::int64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  auto amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

std::string human_duration(milliseconds duration) {
  if (duration < 1s) return fmt::format("{} ms", duration.count());
  if (duration < 1min) return fmt::format("{}.{} s", duration / 1s, (duration % 1s) / 100ms);
  if (duration < 2h) return fmt::format("{} min", duration / 1min);
  if (duration < 48h) return fmt::format("{} h", duration / 1h);
  return fmt::format("{} d", duration / 24h);
}

std::string human_age(milliseconds age) { return age < 1s ? "just now" : human_duration(age) + " ago"; }

std::string count_of(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

namespace {

constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kDurationUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

}  // namespace

std::string duration_text(milliseconds duration) {
  for (const auto& [name, unit] : kDurationUnits)
    if (duration.count() % unit == 0) return fmt::format("{}{}", duration.count() / unit, name);
  return {};
}

std::optional<milliseconds> parse_duration(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, milliseconds] : kDurationUnits)
    if (unit == name && number <= kDurationMax.count() / milliseconds)
      return std::chrono::milliseconds(number * milliseconds);
  return std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr std::array<std::pair<std::string_view, int>, 5> kUnits = {
      {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}}};
  for (const auto& [name, shift] : kUnits)
    if (name == unit) return number > UINT64_MAX >> shift ? std::nullopt : std::optional(number << shift);
  return std::nullopt;
}

}  // namespace epic::cli

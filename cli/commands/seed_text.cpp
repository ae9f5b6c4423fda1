#include "cli/commands/seed_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output/humanize.hpp"

namespace epic::cli {
namespace {

constexpr std::size_t kLinesMax = 40;

// The last `kLinesMax` lines, or all: what happened just before the failure matters most.
std::string last_lines(const Console& console, const std::vector<std::string>& lines) {
  const std::size_t skipped = console.verbosity() > 0 || lines.size() <= kLinesMax ? 0 : lines.size() - kLinesMax;
  std::string text;
  if (skipped > 0) text += fmt::format("  … {} more, see them with -v\n", skipped);
  for (std::size_t i = skipped; i < lines.size(); ++i) text += fmt::format("  {}\n", lines[i]);
  return text;
}

std::vector<std::string> fault_lines(const std::vector<SeedFault>& faults) {
  std::size_t digits = 1;
  std::size_t time_width = 1;
  const auto time_of = [](const SeedFault& fault) {
    return fmt::format("{}.{:03} s", fault.at_ms / 1000, fault.at_ms % 1000);
  };
  for (const SeedFault& fault : faults) {
    digits = std::max(digits, fmt::formatted_size("{}", fault.number));
    time_width = std::max(time_width, time_of(fault).size());
  }
  std::vector<std::string> lines;
  for (const SeedFault& fault : faults)
    lines.push_back(fmt::format("{:>{}}  {:>{}}  {}", fault.number, digits, time_of(fault), time_width, fault.what));
  return lines;
}

}  // namespace

std::string seed_text(const Console& console, std::string_view scenario, const SeedReport& report,
                      std::string_view printed) {
  const bool has_failed = report.has_failed();
  std::string text = fmt::format("{} {} (seed {})\n",
                                 has_failed ? console.paint(Stream::out, Paint::red, "FAILED")
                                            : console.paint(Stream::out, Paint::green, "passed"),
                                 scenario, report.seed);
  if (has_failed)
    text += report.where.empty() ? fmt::format("  {}\n", report.failure)
                                 : fmt::format("  {}: {}\n", report.where, report.failure);
  if (!report.digest.empty())
    text += fmt::format("  {}, {}, {} simulated, digest {}\n",
                        count_of(static_cast<std::uint64_t>(report.calls), "call", "calls"),
                        count_of(report.faults.size(), "fault", "faults"),
                        human_duration(std::chrono::milliseconds(report.simulated_ms)), report.digest);
  if (!has_failed && console.verbosity() <= 0) return text;
  if (!report.faults.empty()) text += "Faults\n" + last_lines(console, fault_lines(report.faults));
  if (!report.history.empty())
    text += fmt::format("History{}\n", report.entity.empty() ? "" : " of " + report.entity) +
            last_lines(console, report.history);
  if (!printed.empty()) text += fmt::format("Printed\n{}", printed);
  return text;
}

std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace epic::cli

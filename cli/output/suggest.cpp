#include "cli/output/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace epic::cli {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> two_back(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({row[j - 1] + 1, last[j] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], two_back[j - 2] + 1);
    }
    std::swap(two_back, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string find_near(std::string_view word, std::span<const std::string> candidates) {
  const std::string meant = lower(word);
  const std::size_t distance_max = std::max<std::size_t>(1, meant.size() / 3);
  std::string best;
  std::size_t best_distance = distance_max + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(meant, lower(candidate));
    const bool begins_alike = !best.empty() && !meant.empty() && lower(best).front() != meant.front() &&
                              lower(candidate).starts_with(meant.front());
    if (distance < best_distance || (distance == best_distance && begins_alike)) {
      best = candidate;
      best_distance = distance;
    }
  }
  if (!best.empty() || meant.size() < 3) return best;
  const auto begins = std::ranges::find_if(candidates, [&](const auto& c) { return lower(c).starts_with(meant); });
  return begins == candidates.end() ? std::string() : *begins;
}

std::string listing(std::span<const std::string> words, std::size_t count_max) {
  std::string out;
  const std::size_t shown = std::min(words.size(), count_max);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) out += i + 1 == words.size() ? " and " : ", ";
    out += words[i];
  }
  if (words.size() > shown) out += fmt::format(" and {} more", words.size() - shown);
  return out;
}

std::string alternatives(std::span<const std::string> words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

}  // namespace epic::cli

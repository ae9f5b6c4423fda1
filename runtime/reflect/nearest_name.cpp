#include "reflect/nearest_name.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

namespace epic::reflect {
namespace {

constexpr std::size_t kNameBytesMax = 256;
// Costs are in half letters, so that a wrong case costs less than a wrong letter.
constexpr int kLetterCost = 2;
constexpr int kCaseCost = 1;

int substitution_cost(char left, char right) {
  if (left == right) return 0;
  const auto lower = [](char letter) { return std::tolower(static_cast<unsigned char>(letter)); };
  return lower(left) == lower(right) ? kCaseCost : kLetterCost;
}

/// Edit distance with neighbouring letters swapped as one edit (optimal string alignment).
int edit_cost(std::string_view from, std::string_view to) {
  std::vector<int> before_last(to.size() + 1);
  std::vector<int> last(to.size() + 1);
  std::vector<int> row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) last[j] = static_cast<int>(j) * kLetterCost;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    row[0] = static_cast<int>(i) * kLetterCost;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      row[j] = std::min(
          {last[j] + kLetterCost, row[j - 1] + kLetterCost, last[j - 1] + substitution_cost(from[i - 1], to[j - 1])});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + kLetterCost);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[to.size()];
}

}  // namespace

std::optional<std::string_view> find_nearest(std::string_view wanted, std::span<const std::string_view> candidates) {
  if (wanted.empty() || wanted.size() > kNameBytesMax) return std::nullopt;
  std::optional<std::string_view> nearest;
  int nearest_cost = 0;
  for (const std::string_view candidate : candidates) {
    if (candidate.empty() || candidate.size() > kNameBytesMax) continue;
    const int cost = edit_cost(wanted, candidate);
    const auto letters = static_cast<int>(std::max(wanted.size(), candidate.size()));
    if (cost > std::max(kLetterCost, letters * kLetterCost / 3) || cost >= letters * kLetterCost) continue;
    const bool begins_alike = candidate.front() == wanted.front();
    if (nearest && (nearest_cost < cost || (nearest_cost == cost && !begins_alike))) continue;
    nearest = candidate;
    nearest_cost = cost;
  }
  return nearest;
}

}  // namespace epic::reflect

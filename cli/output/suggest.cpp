#include "cli/output/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "reflect/nearest_name.hpp"

namespace epic::cli {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::string find_near(std::string_view word, std::span<const std::string> candidates) {
  const std::vector<std::string_view> names(candidates.begin(), candidates.end());
  if (const auto near = reflect::find_nearest(word, names)) return std::string(*near);
  if (word.size() < 3) return {};
  const std::string meant = lower(word);
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

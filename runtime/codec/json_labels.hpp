#pragma once
// What the alternatives of a variant are called in JSON: {"int32": 5}, {"game::Item": {…}}.
//
// A label is the alternative's type, as schemas spell it; the second of two equal ones is "int32#1", with its place.
// Readers also take the last part of a qualified name ("Item") where that is unambiguous, and the place alone ("1").

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "reflect/schema.hpp"

namespace epic::codec {

using Labels = std::vector<std::string>;

/// Of a variant's alternatives.
[[nodiscard]] Labels make_labels(const reflect::Schema& schema, reflect::Schema::Index variant);

[[nodiscard]] std::optional<std::size_t> find_label(std::span<const std::string> labels, std::string_view wanted);

/// Labels by the variant that they belong to, for the length of one conversion.
class LabelCache {
 public:
  template <class Make>
  const Labels& get(const void* variant, Make make) {
    const auto [known, is_new] = labels_.try_emplace(variant);
    if (is_new) known->second = make();
    return known->second;
  }

 private:
  std::unordered_map<const void*, Labels> labels_;
};

}  // namespace epic::codec

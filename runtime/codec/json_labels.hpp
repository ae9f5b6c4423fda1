#pragma once
// The names of a variant's alternatives in JSON: {"int32": 5}, {"game::Item": {…}}.
//
// Those of an expected are {"value": 5} and {"error": "too late"}. Otherwise a label is the alternative's type as
// schemas write it; the second of two equal ones is "int32#1", with its index. Readers also accept the last part of a
// qualified name ("Item") if it is unambiguous, and the index alone ("1").

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "reflect/schema.hpp"

namespace epic::codec {

using Labels = std::vector<std::string>;

/// The labels of a variant's alternatives.
[[nodiscard]] Labels make_labels(const reflect::Schema& schema, reflect::Schema::Index variant);

[[nodiscard]] std::optional<std::size_t> find_label(std::span<const std::string> labels, std::string_view wanted);

/// Caches labels by variant, for the duration of one conversion.
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

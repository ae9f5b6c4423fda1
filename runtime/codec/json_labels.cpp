#include "codec/json_labels.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace epic::codec {
namespace {

/// "Item" of "game::Item"; the text itself if it is not a qualified name.
std::string_view last_part(std::string_view label) {
  if (label.find('<') != std::string_view::npos) return label;
  const std::size_t colons = label.rfind("::");
  return colons == std::string_view::npos ? label : label.substr(colons + 2);
}

}  // namespace

Labels make_labels(const reflect::Schema& schema, reflect::Schema::Index variant) {
  if (schema.node(variant).is_expected) return {"value", "error"};
  Labels labels;
  for (const auto& part : schema.node(variant).parts) {
    const auto& node = schema.node(part.type);
    const bool is_named = node.kind == reflect::Kind::record || node.kind == reflect::Kind::enumeration;
    std::string label = is_named ? node.name : schema.type_text(part.type, reflect::TypeDetail::kinds);
    if (std::ranges::find(labels, label) != labels.end()) label += fmt::format("#{}", labels.size());
    labels.push_back(std::move(label));
  }
  return labels;
}

std::optional<std::size_t> find_label(std::span<const std::string> labels, std::string_view wanted) {
  std::optional<std::size_t> found;
  std::size_t count = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == wanted || fmt::format("{}", i) == wanted) return i;
    if (last_part(labels[i]) != wanted) continue;
    found = i;
    ++count;
  }
  return count == 1 ? found : std::nullopt;
}

}  // namespace epic::codec

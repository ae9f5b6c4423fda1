#include "reflect/schema_text.hpp"

#include <unordered_set>

#include "reflect/type_text.hpp"

namespace epic::reflect {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Identifiers joined by "::", and none of the grammar's own words.
bool is_plain_name(std::string_view name) {
  if (find_plain_kind(name) || find_composed_kind(name) || name == "record" || name == "enum") return false;
  bool at_start = true;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i, 2) == "::" && !at_start) {
      at_start = true;
      ++i;
    } else if (is_letter(name[i]) || (is_digit(name[i]) && !at_start)) {
      at_start = false;
    } else {
      return false;
    }
  }
  return !at_start;
}

std::string quoted(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text += '"';
}

std::string spelt(std::string_view name) { return is_plain_name(name) ? std::string(name) : quoted(name); }

std::string_view word_of(const Schema::Node& node) {
  if (node.is_multi) return "multimap";
  return node.is_expected ? "expected" : to_string(node.kind);
}

/// Writes types, and collects the named ones it meets in order.
class Renderer {
 public:
  explicit Renderer(std::span<const Schema::Node> nodes, TypeDetail detail = TypeDetail::full)
      : nodes_(nodes), detail_(detail) {}

  void type(Schema::Index index) {
    const Schema::Node& node = nodes_[index];
    if (node.kind == Kind::record || node.kind == Kind::enumeration) {
      text += spelt(node.name);
      if (mentioned_.insert(index).second) named_.push_back(index);
      return;
    }
    text += word_of(node);
    if (detail_ == TypeDetail::full) {
      const std::string argument = node.kind != Kind::ref ? unit_text(node.unit)
                                   : node.name.empty()    ? ""
                                                          : spelt(node.name);
      if (!argument.empty()) text += '<' + argument + '>';
    }
    if (!find_composed_kind(to_string(node.kind))) return;
    text += '<';
    for (std::size_t i = 0; i < node.parts.size(); ++i) {
      if (i > 0) text += ", ";
      type(node.parts[i].type);
    }
    text += '>';
  }

  /// The definitions of all named types mentioned, directly or indirectly.
  void definitions() {
    for (std::size_t i = 0; i < named_.size(); ++i) {
      const Schema::Node& node = nodes_[named_[i]];
      text += '\n';
      text += to_string(node.kind);
      text += ' ' + spelt(node.name) + " {";
      const char* separator = " ";
      for (const auto& part : node.parts) {
        text += separator + spelt(part.name) + ": ";
        type(part.type);
        separator = ", ";
      }
      for (const auto& enumerator : node.enumerators) {
        text += separator + spelt(enumerator.name) + " = " + std::to_string(enumerator.value);
        separator = ", ";
      }
      text += " }";
    }
  }

  std::string text;

 private:
  std::span<const Schema::Node> nodes_;
  TypeDetail detail_;
  std::unordered_set<Schema::Index> mentioned_;
  std::vector<Schema::Index> named_;
};

}  // namespace

std::string render_schema(std::span<const Schema::Node> nodes) {
  Renderer renderer(nodes);
  renderer.type(0);
  renderer.definitions();
  return std::move(renderer.text);
}

std::string render_type(std::span<const Schema::Node> nodes, Schema::Index index, TypeDetail detail) {
  Renderer renderer(nodes, detail);
  renderer.type(index);
  return std::move(renderer.text);
}

}  // namespace epic::reflect

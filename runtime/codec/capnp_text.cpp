#include "codec/capnp_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

#include "codec/wire_layout.hpp"

namespace epic::codec {
namespace {

using reflect::Kind;
using reflect::Schema;

constexpr std::size_t kNameBytesMax = 60;
/// Cap'n Proto keywords that would be misread as the name of a field.
constexpr std::array<std::string_view, 17> kReserved = {"annotation", "as",     "const", "embed",  "enum", "extends",
                                                        "fixed",      "from",   "group", "import", "in",   "interface",
                                                        "of",         "struct", "union", "using",  "with"};

/// By Kind; empty for what is defined in the file. The kinds that follow are lists and structs.
constexpr std::string_view kBuiltinTypes[] = {"Bool",   "Int8",   "Int16",    "Int32",   "Int64",   "UInt8",
                                              "UInt16", "UInt32", "UInt64",   "Float32", "Float64", "",
                                              "Text",   "Data",   "Duration", "Time",    "Ref"};
static_assert(std::size(kBuiltinTypes) == static_cast<std::size_t>(Kind::optional));

std::string_view builtin_type(Kind kind) {
  const auto index = static_cast<std::size_t>(kind);
  return index < std::size(kBuiltinTypes) ? kBuiltinTypes[index] : std::string_view();
}

/// Letters and digits of `name`, each part capitalised: "get_score" is "GetScore", "game::Item" is "Item".
std::string camel_case(std::string_view name) {
  if (name.find('<') == std::string_view::npos)
    if (const std::size_t colons = name.rfind("::"); colons != std::string_view::npos) name = name.substr(colons + 2);
  std::string result;
  bool at_start = true;
  for (const char letter : name) {
    const auto code = static_cast<unsigned char>(letter);
    if (code >= 0x80 || std::isalnum(code) == 0) {
      at_start = true;
      continue;
    }
    result += at_start ? static_cast<char>(std::toupper(code)) : letter;
    at_start = false;
  }
  if (result.empty() || std::isdigit(static_cast<unsigned char>(result[0])) != 0) result.insert(0, "T");
  return result;
}

std::string field_case(std::string_view name) {
  std::string result = camel_case(name);
  result[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(result[0])));
  if (std::ranges::find(kReserved, result) != kReserved.end()) result += "Field";
  return result;
}

std::string unique(std::string name, std::set<std::string>& taken) {
  std::string candidate = name;
  for (int count = 2; !taken.insert(candidate).second; ++count) candidate = fmt::format("{}{}", name, count);
  return candidate;
}

class CapnpText {
 public:
  explicit CapnpText(const Schema& schema) : schema_(schema) {
    for (const std::string_view name :
         {"Duration", "Time", "Ref", "List", "Bool", "Text", "Data", "Void", "AnyPointer"})
      taken_.insert(std::string(name));
    root_name_ = is_struct(schema.root().kind) ? struct_name(0) : unique("Root", taken_);
  }

  [[nodiscard]] const std::string& root_name() const { return root_name_; }

  std::string write() {
    constexpr std::uint64_t kFileBit = std::uint64_t{1} << 63;  // set in all file ids
    std::string text = fmt::format(
        "@{:#018x};\n"
        "# The root of a message is {}. Schema {:016x}, made by epic.\n\n"
        "using Duration = Int64;  # nanoseconds\n"
        "using Time = Int64;  # nanoseconds since 1970-01-01T00:00:00Z\n"
        "using Ref = Text;  # an entity: Type/Key; empty for none\n",
        schema_.id().value | kFileBit, root_name_, schema_.id().value);
    if (!is_struct(schema_.root().kind))
      text += fmt::format("\nstruct {} {{\n  value @0 :{};\n}}\n", root_name_, type(0));
    for (std::size_t i = 0; i < pending_.size(); ++i) text += definition(pending_[i]);
    return text;
  }

 private:
  using Index = Schema::Index;

  /// The name of a node's definition: a struct, or the alias that an enumeration becomes.
  const std::string& struct_name(Index index) {
    const auto [known, is_new] = names_.try_emplace(key_of(index));
    if (is_new) {
      std::string wanted = label(index);
      if (wanted.size() > kNameBytesMax) wanted = std::string(word_of(schema_.node(index)));
      known->second = unique(std::move(wanted), taken_);
      pending_.push_back(index);
    }
    return known->second;
  }

  /// Nodes with the same text are one type, however often a schema mentions it.
  std::string key_of(Index index) const {
    return fmt::format("{} {}", static_cast<int>(schema_.node(index).kind), schema_.type_text(index));
  }

  static std::string_view word_of(const Schema::Node& node) {
    return node.kind == Kind::optional  ? "Optional"
           : node.is_expected           ? "Expected"
           : node.kind == Kind::variant ? "Variant"
           : node.kind == Kind::map     ? "Entry"
                                        : "Tuple";
  }

  std::string label(Index index) const {
    const Schema::Node& node = schema_.node(index);
    if (has_own_unit(node)) return camel_case(schema_.type_text(index));
    if (!node.name.empty() && node.kind != Kind::ref) return camel_case(node.name);
    if (const auto word = builtin_type(node.kind); !word.empty()) return std::string(word);
    std::string text = node.kind == Kind::sequence ? "List" : std::string(word_of(node));
    for (const auto& part : node.parts) {
      if (text.size() > kNameBytesMax) break;
      text += label(part.type);
    }
    return text;
  }

  std::string type(Index index) {
    const Schema::Node& node = schema_.node(index);
    if (node.kind == Kind::sequence) return fmt::format("List({})", type(node.parts[0].type));
    if (node.kind == Kind::map) return fmt::format("List({})", struct_name(index));
    if (has_own_unit(node)) return struct_name(index);
    if (const auto word = builtin_type(node.kind); !word.empty()) return std::string(word);
    return struct_name(index);
  }

  static bool has_own_unit(const Schema::Node& node) { return node.unit != reflect::TimeUnit{}; }

  std::string definition(Index index) {
    const Schema::Node& node = schema_.node(index);
    if (has_own_unit(node))
      return fmt::format("\nusing {} = {};  # {}\n", struct_name(index), builtin_type(node.unit.count),
                         schema_.type_text(index));
    if (node.kind == Kind::enumeration) {
      std::string text = fmt::format("\nusing {} = Int64;", struct_name(index));
      const char* separator = "  # ";
      for (const auto& [name, value] : node.enumerators) {
        text += fmt::format("{}{} = {}", separator, name, value);
        separator = ", ";
      }
      return text + "\n";
    }
    std::string text = fmt::format("\nstruct {} {{", struct_name(index));
    if (camel_case(node.name) != node.name && !node.name.empty()) text += fmt::format("  # {}", node.name);
    text += '\n';
    std::set<std::string> taken;
    int ordinal = 0;
    const auto add = [&](std::string name, std::string_view type_name, std::string_view original) {
      const std::string field = unique(std::move(name), taken);
      text += fmt::format("  {} @{} :{};", field, ordinal++, type_name);
      if (!original.empty() && original != field) text += fmt::format("  # {}", original);
      text += '\n';
    };
    if (node.kind == Kind::optional) add("has", "Bool", {});
    if (node.kind == Kind::variant) add("index", "UInt16", {});
    for (std::size_t i = 0; i < node.parts.size(); ++i) {
      const Index part = node.parts[i].type;
      add(part_name(node, i), type(part), node.parts[i].name);
    }
    return text + "}\n";
  }

  std::string part_name(const Schema::Node& node, std::size_t i) const {
    switch (node.kind) {
      case Kind::record:
        return field_case(node.parts[i].name);
      case Kind::optional:
        return "value";
      case Kind::map:
        return i == 0 ? "key" : "value";
      case Kind::variant: {
        if (node.is_expected) return i == 0 ? "value" : "error";
        const std::string name = label(node.parts[i].type);
        return name.size() > kNameBytesMax ? fmt::format("alternative{}", i) : field_case(name);
      }
      default:
        return fmt::format("f{}", i);
    }
  }

  const Schema& schema_;
  std::string root_name_;
  std::map<std::string, std::string> names_;  // by key_of()
  std::set<std::string> taken_;
  std::vector<Index> pending_;  // named, to be defined in this order
};

}  // namespace

std::string to_capnp_text(const Schema& schema) { return CapnpText(schema).write(); }

std::string capnp_root_name(const Schema& schema) { return CapnpText(schema).root_name(); }

}  // namespace epic::codec

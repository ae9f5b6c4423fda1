// Parses the canonical text, by recursive descent: a root type, then definitions.

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <unordered_map>

#include "reflect/schema_text.hpp"
#include "reflect/type_text.hpp"

namespace epic::reflect {
namespace {

struct Token {
  enum class Type { end, word, quoted, number, sign } type = Type::end;
  std::string text;  // unquoted and unescaped
  std::size_t at = 0;
};

/// Thrown inside this file only, caught in parse_schema_nodes().
struct SyntaxError {
  std::size_t at;
  std::string what;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Token next() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    const std::size_t begin = at_;
    if (at_ == text_.size()) return {.type = Token::Type::end, .text = "the end", .at = begin};
    const char c = text_[at_];
    if (c == '"') return quoted();
    if (is_letter(c)) return word();
    if (is_digit(c) || c == '-') {
      ++at_;
      while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
      return {.type = Token::Type::number, .text = std::string(text_.substr(begin, at_ - begin)), .at = begin};
    }
    ++at_;
    return {.type = Token::Type::sign, .text = std::string(1, c), .at = begin};
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  Token word() {
    const std::size_t begin = at_;
    while (at_ < text_.size()) {
      if (is_letter(text_[at_]) || is_digit(text_[at_])) {
        ++at_;
      } else if (text_.substr(at_, 2) == "::") {
        at_ += 2;
      } else {
        break;
      }
    }
    return {.type = Token::Type::word, .text = std::string(text_.substr(begin, at_ - begin)), .at = begin};
  }

  Token quoted() {
    Token token{.type = Token::Type::quoted, .text = {}, .at = at_};
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        return token;
      }
      if (text_[at_] == '\\' && ++at_ == text_.size()) break;
      token.text += text_[at_];
    }
    throw SyntaxError{token.at, "the quoted name that begins here has no end"};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text), token_(lexer_.next()) {}

  std::vector<Schema::Node> parse() {
    nodes_.push_back({});  // the root is node 0; a named root is moved there at the end
    const Schema::Index root = type(/*depth=*/0);
    while (token_.type != Token::Type::end) definition();
    for (const auto& [name, mention] : mentions_)
      if (!mention.is_defined)
        throw SyntaxError{mention.at, fmt::format("type '{}' is used and nowhere defined", name)};
    return with_root(root);
  }

 private:
  struct Mention {
    Schema::Index index = 0;
    std::size_t at = 0;
    bool is_defined = false;
  };

  Token take() {
    Token token = std::move(token_);
    token_ = lexer_.next();
    return token;
  }

  bool is_sign(char sign) const { return token_.type == Token::Type::sign && token_.text[0] == sign; }
  [[noreturn]] void fail(std::string_view expected) const {
    throw SyntaxError{token_.at, fmt::format("expected {} but found '{}'", expected, token_.text)};
  }
  void take_sign(char sign) {
    if (!is_sign(sign)) fail(fmt::format("'{}'", sign));
    take();
  }
  bool is_word(std::string_view word) const { return token_.type == Token::Type::word && token_.text == word; }
  Token take_name() {
    if (token_.type != Token::Type::word && token_.type != Token::Type::quoted) fail("a name");
    return take();
  }

  Schema::Index add_node(Kind kind, std::string name) {
    if (nodes_.size() >= kSchemaNodesMax) throw SyntaxError{token_.at, "the schema mentions too many types"};
    nodes_.push_back({.kind = kind, .name = std::move(name), .parts = {}, .enumerators = {}});
    return static_cast<Schema::Index>(nodes_.size() - 1);
  }

  Mention& mention(const Token& name) {
    const auto [found, is_new] = mentions_.try_emplace(name.text);
    if (is_new) found->second = {.index = add_node(Kind::record, name.text), .at = name.at, .is_defined = false};
    return found->second;
  }

  Schema::Index type(int depth) {
    if (depth > kSchemaNestingMax) throw SyntaxError{token_.at, "types are nested too deep"};
    const Token name = take_name();
    if (name.type == Token::Type::quoted) return mention(name).index;
    if (const auto kind = find_plain_kind(name.text)) return plain(*kind);
    const bool is_multi = name.text == "multimap" && is_sign('<');
    const bool is_expected = name.text == "expected" && is_sign('<');
    const auto kind = is_multi ? Kind::map : is_expected ? Kind::variant : find_composed_kind(name.text);
    if (!kind) return mention(name).index;

    std::vector<Schema::Part> parts;
    take_sign('<');
    while (!is_sign('>')) {
      if (!parts.empty()) take_sign(',');
      check_room(parts);
      parts.push_back({.name = {}, .type = type(depth + 1)});
    }
    take();
    check_part_count(name, *kind, is_expected, parts.size());
    const Schema::Index index = add_node(*kind, {});
    nodes_[index].is_multi = is_multi;
    nodes_[index].is_expected = is_expected;
    nodes_[index].parts = std::move(parts);
    return index;
  }

  /// A ref may have a class, a duration or time a unit.
  Schema::Index plain(Kind kind) {
    std::string target;
    TimeUnit unit;
    const bool is_time = kind == Kind::duration || kind == Kind::time_point;
    if ((is_time || kind == Kind::ref) && is_sign('<')) {
      take();
      if (is_time)
        unit = time_unit(kind);
      else
        target = take_name().text;
      take_sign('>');
    }
    const auto [known, is_new] = plain_nodes_.try_emplace({kind, target + '<' + unit_text(unit)});
    if (is_new) {
      known->second = add_node(kind, target);
      nodes_[known->second].unit = unit;
    }
    return known->second;
  }

  TimeUnit time_unit(Kind kind) {
    TimeUnit unit;
    if (kind == Kind::time_point && is_word("date")) {
      take();
      return {.num = 86'400, .den = 1, .is_date = true};
    }
    if (token_.type == Token::Type::number) {
      unit.num = positive_number();
      unit.den = 1;
      if (is_sign('/')) {
        take();
        unit.den = positive_number();
      }
    } else {
      const auto named = find_unit(token_.text);
      if (!named) fail("a unit of time");
      unit = *named;
      take();
    }
    if (!is_sign(',')) return unit;
    take();
    const auto count = find_plain_kind(token_.text);
    if (count != Kind::uint64 && count != Kind::float64) fail("'uint64' or 'float64'");
    unit.count = *count;
    take();
    return unit;
  }

  std::int64_t positive_number() {
    const std::int64_t value = number();
    if (value <= 0) fail("a positive number before it");
    return value;
  }

  std::int64_t number() {
    std::int64_t value = 0;
    const char* const end = token_.text.data() + token_.text.size();
    const auto [stop, error] = std::from_chars(token_.text.data(), end, value);
    if (token_.type != Token::Type::number || error != std::errc{} || stop != end) fail("a number of 64 bits");
    take();
    return value;
  }

  void check_room(const std::vector<Schema::Part>& parts) const {
    if (parts.size() == kSchemaPartsMax)
      throw SyntaxError{token_.at, fmt::format("a type has more than {} parts", kSchemaPartsMax)};
  }

  static void check_part_count(const Token& word, Kind kind, bool is_expected, std::size_t count) {
    const bool fits = kind == Kind::map || is_expected                   ? count == 2
                      : kind == Kind::optional || kind == Kind::sequence ? count == 1
                      : kind == Kind::variant                            ? count >= 1
                                                                         : true;
    if (!fits) throw SyntaxError{word.at, fmt::format("{} cannot have {} types inside", word.text, count)};
  }

  void definition() {
    if (!is_word("record") && !is_word("enum")) fail("'record' or 'enum'");
    const Kind kind = take().text == "record" ? Kind::record : Kind::enumeration;
    const Token name = take_name();
    Mention& named = mention(name);
    if (named.is_defined) throw SyntaxError{name.at, fmt::format("type '{}' is defined twice", name.text)};
    named.is_defined = true;
    const Schema::Index index = named.index;
    nodes_[index].kind = kind;
    take_sign('{');
    for (bool is_first = true; !is_sign('}'); is_first = false) {
      if (!is_first) take_sign(',');
      if (kind == Kind::record) {
        field(index);
      } else {
        enumerator(index);
      }
    }
    take();
  }

  void field(Schema::Index record) {
    check_room(nodes_[record].parts);
    std::string name = take_name().text;
    take_sign(':');
    const Schema::Index part = type(/*depth=*/0);
    nodes_[record].parts.push_back({.name = std::move(name), .type = part});
  }

  void enumerator(Schema::Index enumeration) {
    std::string name = take_name().text;
    take_sign('=');
    nodes_[enumeration].enumerators.push_back({.name = std::move(name), .value = number()});
  }

  /// Moves the root to index 0, which is reserved for it.
  std::vector<Schema::Node> with_root(Schema::Index root) {
    nodes_[0] = std::move(nodes_[root]);
    if (root != nodes_.size() - 1) nodes_[root] = std::move(nodes_.back());
    const auto last = static_cast<Schema::Index>(nodes_.size() - 1);
    nodes_.pop_back();
    for (auto& node : nodes_)
      for (auto& part : node.parts) {
        if (part.type == root) {
          part.type = 0;
        } else if (part.type == last) {
          part.type = root;
        }
      }
    return std::move(nodes_);
  }

  Lexer lexer_;
  Token token_;
  std::vector<Schema::Node> nodes_;
  std::unordered_map<std::string, Mention> mentions_;
  std::map<std::pair<Kind, std::string>, Schema::Index> plain_nodes_;
};

std::string located(std::string_view text, const SyntaxError& error) {
  std::size_t line = 1;
  std::size_t line_begin = 0;
  for (std::size_t i = 0; i < error.at && i < text.size(); ++i) {
    if (text[i] != '\n') continue;
    ++line;
    line_begin = i + 1;
  }
  return fmt::format("schema text, line {}, column {}: {}", line, error.at - line_begin + 1, error.what);
}

}  // namespace

std::expected<std::vector<Schema::Node>, std::string> parse_schema_nodes(std::string_view text) {
  if (text.size() > kSchemaTextBytesMax)
    return std::unexpected(
        fmt::format("a schema text of {} bytes is above the bound of {}", text.size(), kSchemaTextBytesMax));
  try {
    return Parser(text).parse();
  } catch (const SyntaxError& error) {
    return std::unexpected(located(text, error));
  }
}

}  // namespace epic::reflect

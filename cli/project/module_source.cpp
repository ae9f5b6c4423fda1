#include "cli/project/module_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace epic::cli {
namespace {

constexpr std::size_t kNowhere = std::string_view::npos;
constexpr std::string_view kMacro = "EPIC_MODULE";

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f'; }

bool is_name_part(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// The word that ends before `end`.
std::string_view word_before(std::string_view text, std::size_t end) {
  std::size_t begin = end;
  while (begin > 0 && is_name_part(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

std::size_t end_of_line_comment(std::string_view text, std::size_t at) {
  std::size_t end = text.find('\n', at);
  while (end != kNowhere && (text[end - 1] == '\\' || text.substr(at, end - at).ends_with("\\\r")))
    end = text.find('\n', end + 1);
  return std::min(end, text.size());
}

/// R"x(…)x", from its quote on.
std::size_t end_of_raw_string(std::string_view text, std::size_t quote) {
  const std::size_t open = text.find('(', quote);
  if (open == kNowhere) return text.size();
  const std::string close = fmt::format("){}\"", text.substr(quote + 1, open - quote - 1));
  const std::size_t end = text.find(close, open);
  return end == kNowhere ? text.size() : end + close.size();
}

/// At a closing quote, or where the line ends without one.
std::size_t end_of_literal(std::string_view text, std::size_t quote) {
  std::size_t at = quote + 1;
  while (at < text.size() && text[at] != text[quote] && text[at] != '\n') at += text[at] == '\\' ? 2 : 1;
  return std::min(at + 1, text.size());
}

/// The ' of 1'000'000.
bool is_digit_separator(std::string_view text, std::size_t quote) {
  std::size_t begin = quote;
  while (begin > 0 && (is_name_part(text[begin - 1]) || text[begin - 1] == '\'')) --begin;
  return begin < quote && text[begin] >= '0' && text[begin] <= '9';
}

/// Where what is not code ends that begins at `at`; `at` if it is code.
std::size_t end_of_other(std::string_view text, std::size_t at) {
  const std::string_view two = text.substr(at, 2);
  if (two == "//") return end_of_line_comment(text, at);
  if (two == "/*") {
    const std::size_t end = text.find("*/", at + 2);
    return end == kNowhere ? text.size() : end + 2;
  }
  if (text[at] == '"') {
    const std::string_view prefix = word_before(text, at);
    const bool is_raw = prefix == "R" || prefix == "u8R" || prefix == "uR" || prefix == "UR" || prefix == "LR";
    return is_raw ? end_of_raw_string(text, at) : end_of_literal(text, at);
  }
  if (text[at] == '\'' && !is_digit_separator(text, at)) return end_of_literal(text, at);
  return at;
}

/// Comments and literals as blanks, so that offsets and lines stay.
std::string only_code(std::string_view text) {
  std::string code(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of_other(text, at);
    for (std::size_t i = at; i < end; ++i)
      if (code[i] != '\n' && code[i] != '\r') code[i] = ' ';
    at = std::max(end, at + 1);
  }
  return code;
}

std::size_t line_number(std::string_view text, std::size_t at) {
  return 1 + static_cast<std::size_t>(std::ranges::count(text.substr(0, at), '\n'));
}

std::size_t find_name(std::string_view code, std::string_view word, std::size_t from) {
  for (std::size_t at = code.find(word, from); at != kNowhere; at = code.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_name_part(code[at - 1])) && (end == code.size() || !is_name_part(code[end]))) return at;
  }
  return kNowhere;
}

struct SourceLine {
  std::size_t begin;
  std::size_t end;             // before its line end
  std::size_t conditions = 0;  // how many #if are open
  std::size_t braces = 0;      // and how many { where it begins
  bool is_directive = false;
  std::string_view include = {};  // "match.hpp" or <epic/epic.hpp>, with its quotes
};

std::vector<SourceLine> source_lines(std::string_view text, std::string_view code) {
  std::vector<SourceLine> lines;
  std::size_t conditions = 0;
  std::size_t braces = 0;
  bool goes_on = false;  // a directive, after a backslash
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t stop = std::min(text.find('\n', begin), text.size());
    SourceLine line{.begin = begin, .end = stop, .braces = braces};
    if (line.end > begin && text[line.end - 1] == '\r') --line.end;
    std::string_view rest = trimmed(code.substr(begin, line.end - begin));
    const bool ends_open = rest.ends_with('\\');
    line.is_directive = goes_on || rest.starts_with('#');
    if (rest.starts_with('#') && !goes_on) {
      const std::string_view word = trimmed(rest.substr(1));
      if (word.starts_with("endif") && conditions > 0) --conditions;
      line.conditions = conditions;
      if (word.starts_with("if")) ++conditions;
      if (word.starts_with("include")) {
        const std::string_view whole = text.substr(begin, line.end - begin);
        const std::size_t open = whole.find_first_of("\"<");
        const std::size_t close = open == kNowhere ? kNowhere : whole.find_first_of("\">", open + 1);
        if (close != kNowhere) line.include = whole.substr(open, close + 1 - open);
      }
    } else {
      line.conditions = conditions;
    }
    for (const char c : line.is_directive ? std::string_view() : rest) {
      if (c == '{') ++braces;
      if (c == '}' && braces > 0) --braces;
    }
    goes_on = line.is_directive && ends_open;
    lines.push_back(line);
    begin = stop + 1;
  }
  return lines;
}

/// The line of an offset.
const SourceLine& line_holding(const std::vector<SourceLine>& lines, std::size_t at) {
  const auto after = std::ranges::upper_bound(lines, at, {}, &SourceLine::begin);
  return *(after - 1);
}

std::vector<std::size_t> find_macros(std::string_view code, const std::vector<SourceLine>& lines) {
  std::vector<std::size_t> places;
  for (std::size_t at = find_name(code, kMacro, 0); at != kNowhere; at = find_name(code, kMacro, at + 1))
    if (!line_holding(lines, at).is_directive) places.push_back(at);
  return places;
}

/// What stands between the parentheses of EPIC_MODULE.
struct ModuleList {
  struct Item {
    std::size_t begin;
    std::size_t end;
    std::string_view text;
  };
  std::vector<Item> items;       // setup, then the classes
  std::size_t close;             // its ')'
  std::size_t comma = kNowhere;  // behind the last item
};

std::expected<ModuleList, std::string> read_list(std::string_view code, const std::vector<SourceLine>& lines,
                                                 std::size_t macro) {
  ModuleList list{.items = {}, .close = kNowhere};
  std::size_t at = macro + kMacro.size();
  while (at < code.size() && is_blank(code[at])) ++at;
  if (at == code.size() || code[at] != '(') return std::unexpected("EPIC_MODULE has no list in parentheses");
  std::size_t depth = 0;
  std::size_t begin = at + 1;
  const auto add_item = [&](std::size_t end) {
    const std::string_view text = trimmed(code.substr(begin, end - begin));
    if (!text.empty()) {
      const auto from = static_cast<std::size_t>(text.data() - code.data());
      list.items.push_back({from, from + text.size(), text});
      list.comma = kNowhere;
    }
    if (code[end] == ',') list.comma = end;
    begin = end + 1;
  };
  for (; at < code.size() && list.close == kNowhere; ++at) {
    const char c = code[at];
    if (c == '\\') return std::unexpected("the list of EPIC_MODULE contains a backslash");
    if (c == '(' || c == '{' || c == '[') ++depth;
    if (c == ')' || c == '}' || c == ']') --depth;
    if (depth == 0) list.close = at;
    if (depth == 0 || (depth == 1 && c == ',')) add_item(at);
  }
  if (list.close == kNowhere) return std::unexpected("the list of EPIC_MODULE does not end");
  for (const SourceLine& line : lines)
    if (line.is_directive && line.begin > macro && line.begin < list.close)
      return std::unexpected("the list of EPIC_MODULE contains a preprocessor directive");
  if (list.items.empty()) return std::unexpected("EPIC_MODULE names no setup function");
  return list;
}

struct Insertion {
  std::size_t at;
  std::string text;
};

/// Behind the last class: on a line of its own if that has one.
std::vector<Insertion> insert_name(std::string_view text, const std::vector<SourceLine>& lines, const ModuleList& list,
                                   std::string_view type, std::string_view line_end) {
  const ModuleList::Item& last = list.items.back();
  const bool has_comma = list.comma != kNowhere;
  const std::size_t end = has_comma ? list.comma + 1 : last.end;
  const std::string_view comma = has_comma ? "" : ",";
  const SourceLine& line = line_holding(lines, last.begin);
  const std::string_view indent = text.substr(line.begin, last.begin - line.begin);
  if (!trimmed(indent).empty() || indent.empty()) return {{end, fmt::format("{} {}", comma, type)}};
  const SourceLine& last_line = line_holding(lines, end);
  if (list.close <= last_line.end) return {{end, fmt::format("{}{}{}{}", comma, line_end, indent, type)}};
  return {{end, std::string(comma)}, {last_line.end, fmt::format("{}{}{}", line_end, indent, type)}};
}

/// Among the file's own headers, in their order if they have one; none if it is included. A header that may be left
/// out, or that is inside extern "C" { }, is no place for it.
std::expected<std::vector<Insertion>, std::string> insert_include(const std::vector<SourceLine>& lines,
                                                                  std::size_t macro, std::string_view header,
                                                                  std::string_view line_end) {
  const std::string wanted = fmt::format("\"{}\"", header);
  std::size_t last_own = kNowhere;
  std::size_t last_any = kNowhere;
  for (std::size_t i = 0; i < lines.size() && lines[i].begin < macro; ++i) {
    if (lines[i].include.empty() || lines[i].conditions > 0 || lines[i].braces > 0) continue;
    if (lines[i].include == wanted) return std::vector<Insertion>{};
    last_any = i;
    if (lines[i].include.starts_with('"')) last_own = i;
  }
  if (last_any == kNowhere) return std::unexpected("nothing is included before EPIC_MODULE");
  if (last_own == kNowhere)
    return std::vector<Insertion>{{lines[last_any].end, fmt::format("{0}{0}#include {1}", line_end, wanted)}};
  std::size_t first = last_own;
  while (first > 0 && lines[first - 1].include.starts_with('"')) --first;
  const auto block = std::vector(lines.begin() + static_cast<std::ptrdiff_t>(first),
                                 lines.begin() + static_cast<std::ptrdiff_t>(last_own + 1));
  const auto greater = std::ranges::upper_bound(block, std::string_view(wanted), {}, &SourceLine::include);
  if (std::ranges::is_sorted(block, {}, &SourceLine::include) && greater != block.end())
    return std::vector<Insertion>{{greater->begin, fmt::format("#include {}{}", wanted, line_end)}};
  return std::vector<Insertion>{{lines[last_own].end, fmt::format("{}#include {}", line_end, wanted)}};
}

std::vector<std::string> names_of(const ModuleList& list) {
  std::vector<std::string> names;
  for (const ModuleList::Item& item : list.items) names.emplace_back(item.text);
  return names;
}

/// "arena::Player" for "Player".
bool is_in_namespace(std::string_view item, std::string_view type) {
  return item.ends_with(type) && item.substr(0, item.size() - type.size()).ends_with("::");
}

}  // namespace

std::vector<std::size_t> find_module_lines(std::string_view source) {
  const std::string code = only_code(source);
  std::vector<std::size_t> numbers;
  for (const std::size_t at : find_macros(code, source_lines(source, code))) numbers.push_back(line_number(source, at));
  return numbers;
}

std::optional<std::size_t> find_class_line(std::string_view source, std::string_view name) {
  const std::string code = only_code(source);
  for (std::size_t at = find_name(code, name, 0); at != kNowhere; at = find_name(code, name, at + 1)) {
    std::size_t before = at;
    while (before > 0 && is_blank(code[before - 1])) --before;
    const std::string_view keyword = word_before(code, before);
    if (keyword != "class" && keyword != "struct") continue;
    const std::string_view after = trimmed(std::string_view(code).substr(at + name.size()));
    if (after.starts_with('{') || (after.starts_with(':') && !after.starts_with("::")) || after.starts_with("final"))
      return line_number(source, at);
  }
  return std::nullopt;
}

std::expected<std::string, std::string> add_to_module(std::string_view source, std::string_view type,
                                                      std::string_view header) {
  const std::string code = only_code(source);
  const auto lines = source_lines(source, code);
  const auto places = find_macros(code, lines);
  if (places.size() != 1)
    return std::unexpected(places.empty() ? "there is no EPIC_MODULE" : "there are several EPIC_MODULE");
  const std::size_t macro = places.front();
  if (line_holding(lines, macro).conditions > 0) return std::unexpected("EPIC_MODULE is inside #if");
  const auto list = read_list(code, lines, macro);
  if (!list) return std::unexpected(list.error());
  auto wanted = names_of(*list);
  for (const std::string& name : wanted)
    if (is_in_namespace(name, type)) return std::unexpected(fmt::format("EPIC_MODULE lists {}", name));

  const std::string_view line_end = source.contains("\r\n") ? "\r\n" : "\n";
  auto insertions = insert_include(lines, macro, header, line_end);
  if (!insertions) return std::unexpected(insertions.error());
  if (std::ranges::find(wanted, type) == wanted.end()) {
    for (Insertion& insertion : insert_name(source, lines, *list, type, line_end))
      insertions->push_back(std::move(insertion));
    wanted.emplace_back(type);
  }
  std::string changed(source);
  for (const Insertion& insertion : std::views::reverse(*insertions)) changed.insert(insertion.at, insertion.text);

  // Read again, in case that something was taken for what it is not.
  const std::string changed_code = only_code(changed);
  const auto changed_lines = source_lines(changed, changed_code);
  const auto changed_places = find_macros(changed_code, changed_lines);
  if (changed_places.size() != 1) return std::unexpected("the layout around EPIC_MODULE is too unusual");
  const auto changed_list = read_list(changed_code, changed_lines, changed_places.front());
  if (!changed_list || names_of(*changed_list) != wanted)
    return std::unexpected("the layout around EPIC_MODULE is too unusual");
  const auto missing = insert_include(changed_lines, changed_places.front(), header, line_end);
  if (!missing || !missing->empty()) return std::unexpected("the layout of its #include lines is too unusual");
  return changed;
}

}  // namespace epic::cli

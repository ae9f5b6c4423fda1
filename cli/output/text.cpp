#include "cli/output/text.hpp"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

namespace epic::cli {
namespace {

struct Character {
  std::size_t bytes = 1;
  utf8proc_int32_t code = -1;  // -1: not UTF-8
};

Character first_of(std::string_view text) {
  Character character;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto length = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size()), &character.code);
  if (length > 0) return {static_cast<std::size_t>(length), character.code};
  return {};
}

bool is_harmful(utf8proc_int32_t code) {
  const bool is_bidirectional = code == 0x061c || code == 0x200e || code == 0x200f ||
                                (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  const auto category = utf8proc_category(code);
  return is_bidirectional || category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

/// The length of a colour code at the start of `text`, such as "\x1b[31m"; 0 if there is none.
std::size_t colour_length(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  const std::size_t end = text.find_first_not_of("0123456789", 2);
  return end == std::string_view::npos || text[end] != 'm' || end > 4 ? 0 : end + 1;
}

void escape_into(std::string& out, std::string_view text, Character character) {
  if (character.code == '\n')
    out += "\\n";
  else if (character.code == '\t')
    out += "\\t";
  else if (character.code >= 0)
    out += fmt::format("\\u{:04x}", character.code);
  else
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
}

template <class Keep>
std::string escaped(std::string_view text, Keep length_to_keep) {
  const auto is_plain = [](unsigned char byte) { return byte >= 0x20 && byte < 0x7f; };
  if (std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::size_t length = length_to_keep(text);
    if (length == 0) {
      const Character character = first_of(text);
      length = character.bytes;
      if (character.code < 0 || is_harmful(character.code))
        escape_into(out, text, character);
      else
        out += text.substr(0, length);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) {
  return escaped(text, [](std::string_view) { return std::size_t{0}; });
}

std::string printable_lines(std::string_view text, bool keep_colours) {
  return escaped(text, [=](std::string_view rest) -> std::size_t {
    if (rest.front() == '\n' || rest.front() == '\t') return 1;
    return keep_colours ? colour_length(rest) : 0;
  });
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    std::size_t length = colour_length(text);
    if (length == 0) {
      const Character character = first_of(text);
      length = character.bytes;
      width += character.code < 0 ? 1 : static_cast<std::size_t>(std::max(0, utf8proc_charwidth(character.code)));
    }
    text.remove_prefix(length);
  }
  return width;
}

std::string shortened(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  std::string out;
  std::size_t taken = 0;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, first_of(text).bytes);
    taken += display_width(character);
    if (taken + 1 > width) break;
    out += character;
    text.remove_prefix(character.size());
  }
  return out + "…";
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  std::size_t column = indent;
  std::size_t line_ends = 0;
  const auto break_line = [&](std::size_t count) {
    out.append(count, '\n').append(indent, ' ');
    column = indent;
  };
  while (!text.empty()) {
    if (text.front() == ' ' || text.front() == '\n') {
      line_ends += text.front() == '\n' ? 1 : 0;
      text.remove_prefix(1);
      continue;
    }
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    const std::size_t word_width = display_width(word);
    if (!out.empty()) {
      if (line_ends > 1)
        break_line(2);
      else if (column + 1 + word_width > width)
        break_line(1);
      else
        out += ' ', ++column;
    }
    out += word;
    column += word_width;
    line_ends = 0;
    text.remove_prefix(word.size());
  }
  return out;
}

}  // namespace epic::cli

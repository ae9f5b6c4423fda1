#pragma once
// Text: what a terminal makes of UTF-8. utf8proc knows the characters; nothing else in the CLI looks at bytes.

#include <cstddef>
#include <string>
#include <string_view>

namespace epic::cli {

/// `text` with everything escaped that could move the cursor, change colours or reverse the direction of writing:
/// control characters (C0, C1), bidirectional controls, line separators, and bytes that are not UTF-8. Escapes are
/// those of JSON, so that escaped JSON means what it meant.
std::string printable(std::string_view text);
/// The same, but line ends, tabs and (if `keep_colours`) the console's own colour codes stay.
std::string printable_lines(std::string_view text, bool keep_colours);

/// Columns that `text` takes on a terminal; colour codes take none.
std::size_t display_width(std::string_view text);
/// At most `width` columns of `text`, with "…" at the end of what was cut. `text` has no colour codes.
std::string shortened(std::string_view text, std::size_t width);
/// Words in lines of at most `width` columns, each but the first behind `indent` blanks. A blank line in `text` stays;
/// other line ends are those of the source and count as blanks.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);

}  // namespace epic::cli

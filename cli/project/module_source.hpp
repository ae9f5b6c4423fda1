#pragma once
// ModuleSource: the C++ file that lists a module's classes in EPIC_MODULE, and another class in that list.
//
// People edit this file, so nothing is expected of its layout. Comments, literals and preprocessor directives are told
// from code; the rest of the text stays as it is, byte for byte. What could mean something else than it seems (a list
// inside #if, a directive inside the list) is refused with the reason, and never guessed at.

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace epic::cli {

/// The lines that use EPIC_MODULE, from 1 on.
std::vector<std::size_t> find_module_lines(std::string_view source);

/// The line that defines a class or struct of this name, from 1 on; none if it is only declared or mentioned.
std::optional<std::size_t> find_class_line(std::string_view source, std::string_view name);

/// `source`, which uses EPIC_MODULE once, with `type` at the end of its list (unless it is there), and with
/// #include "header". Otherwise why not.
std::expected<std::string, std::string> add_to_module(std::string_view source, std::string_view type,
                                                      std::string_view header);

}  // namespace epic::cli

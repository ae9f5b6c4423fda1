#pragma once
// The text of a value of Kind::text, whichever C++ type it is.

#include <string>
#include <string_view>

#include "epic/type_info.hpp"

namespace epic::reflect {

[[nodiscard]] inline std::string_view text_of(const TypeInfo& type, const void* object) {
  return type.text.get == nullptr ? *static_cast<const std::string*>(object) : type.text.get(object);
}

inline void set_text(const TypeInfo& type, void* object, std::string_view text) {
  if (type.text.set == nullptr)
    static_cast<std::string*>(object)->assign(text);
  else
    type.text.set(object, text);
}

}  // namespace epic::reflect

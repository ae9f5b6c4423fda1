#pragma once
// ShowName: how the names of entities inside a value are spelt for people. Values hold the stored name of a renamed
// class ("Hero/Bob"), and people know the present one ("Player/Bob").

#include <functional>
#include <string>
#include <string_view>

namespace epic::codec {

/// From the name in the value to the one to show. Empty: as it is.
using ShowName = std::function<std::string(std::string_view name)>;

}  // namespace epic::codec

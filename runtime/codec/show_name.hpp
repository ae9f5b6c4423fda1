#pragma once
// ShowName: how entity names inside a value are shown to people. Values hold the stored name of a renamed class
// ("Hero/Bob"); people know its current name ("Player/Bob").

#include <functional>
#include <string>
#include <string_view>

namespace epic::codec {

/// Maps the name in the value to the one to show. Empty function: unchanged.
using ShowName = std::function<std::string(std::string_view name)>;

}  // namespace epic::codec

#pragma once
// The path from the root of a value to the part being read, for error messages: "inventory[3].name".

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace epic::codec {

/// A stack of steps, cheap to push and pop. After a failure, what is left on it is the place of the failure.
class ValuePath {
 public:
  void push_field(std::string_view name) { steps_.push_back({.name = name, .index = 0}); }
  void push_index(std::size_t index) { steps_.push_back({.name = {}, .index = index}); }
  void pop() { steps_.pop_back(); }
  /// For a path that was put together from its end.
  void reverse() { std::ranges::reverse(steps_); }

  [[nodiscard]] std::string text() const {
    std::string text;
    for (const Step& step : steps_) {
      if (step.name.empty()) {
        text += '[' + std::to_string(step.index) + ']';
      } else {
        if (!text.empty()) text += '.';
        text += step.name;
      }
    }
    return text;
  }

 private:
  struct Step {
    std::string_view name;  // borrowed from a table; empty: an index
    std::size_t index;
  };
  std::vector<Step> steps_;
};

}  // namespace epic::codec

#pragma once
// Pool: how setup gets its Refs. Inside an entity, use `epic::Ref<T>(key)`.

#include <concepts>
#include <string_view>

#include "epic/ref.hpp"

namespace epic {

class Pool {
 public:
  /// The entity of class T with this key: any text without a line break, or an integer (its decimal text).
  template <class T>
  [[nodiscard]] Ref<T> get(std::string_view key) const {
    return Ref<T>(key);
  }
  template <class T>
  [[nodiscard]] Ref<T> get(std::integral auto key) const {
    return Ref<T>(key);
  }
};

}  // namespace epic

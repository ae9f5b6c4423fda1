#pragma once
// KeyBytes: values as bytes that are equal if the values are, and only then: the key of a hash table.
//
// Shorter and cheaper to make than what the codecs write, because nobody reads them: up to 240 bytes need no memory of
// their own. They mean something only within the process.
//
// Numbers are compared by their bits: 0.0 and -0.0 differ, and a NaN equals itself.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "epic/type_info.hpp"

namespace epic::reflect {

class KeyBytes {
 public:
  /// Beyond it they are cut off, and is_whole() is false.
  explicit KeyBytes(std::size_t size_max) : size_max_(size_max) {}

  void clear() {
    size_ = 0;
    long_.clear();
    is_whole_ = true;
  }
  void add_raw(const void* bytes, std::size_t count) {
    if (count == 0) return;  // there may be nothing to point at
    if (size_ + count <= inline_.size()) [[likely]] {
      std::memcpy(inline_.data() + size_, bytes, count);
      size_ += count;
    } else {
      add_long(bytes, count);
    }
  }
  void add_number(std::uint64_t number) { add_raw(&number, sizeof number); }
  void add_text(std::string_view text) {
    add_number(text.size());
    add_raw(text.data(), text.size());
  }
  /// A value of this type.
  void add(const TypeInfo& type, const void* object) { add_any(type, object, 0); }

  [[nodiscard]] std::string_view view() const {
    return long_.empty() ? std::string_view(inline_.data(), size_) : std::string_view(long_);
  }
  /// False: there were too many bytes, or the value is nested too deeply, and these are only some of them.
  [[nodiscard]] bool is_whole() const { return is_whole_; }

 private:
  void add_long(const void* bytes, std::size_t count);
  void add_any(const TypeInfo& type, const void* object, int depth);
  void add_sequence(const TypeInfo& type, const void* object, int depth);
  void add_map(const TypeInfo& type, const void* object, int depth);

  std::size_t size_max_;
  std::size_t size_ = 0;  // in inline_; once long_ is in use, more than fits there
  bool is_whole_ = true;
  std::array<char, 240> inline_;
  std::string long_;  // all of them, if they do not fit
};

}  // namespace epic::reflect

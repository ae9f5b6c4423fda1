#include "codec/json_size.hpp"

#include <algorithm>
#include <string>

#include "codec/limits.hpp"
#include "reflect/text_of.hpp"

namespace epic::codec {

namespace {

using reflect::Kind;
using reflect::TypeInfo;

/// Numbers and times: at least a digit, whatever their value.
bool is_one_number(Kind kind) {
  return kind <= Kind::enumeration || kind == Kind::duration || kind == Kind::time_point;
}

class JsonMeasure {
 public:
  explicit JsonMeasure(std::size_t enough) : enough_(enough) {}

  void add(const TypeInfo& type, const void* object) {
    if (bytes_ > enough_ || depth_ == kValueDepthMax) return;
    ++depth_;
    switch (type.kind) {
      case Kind::text:
        bytes_ += 2 + reflect::text_of(type, object).size();
        break;
      case Kind::bytes:
        bytes_ += 2 + static_cast<const Bytes*>(object)->size() / 3 * 4;
        break;
      case Kind::ref:
        bytes_ += 2;  // it is shown by another name than it has
        break;
      case Kind::optional:
        if (const void* held = type.optional.get(object))
          add(type.optional.element(), held);
        else
          bytes_ += 4;
        break;
      case Kind::variant:
        variant(type, object);
        break;
      case Kind::sequence:
        sequence(type, object);
        break;
      case Kind::map:
        map(type, object);
        break;
      case Kind::tuple:
      case Kind::record:
        bytes_ += 2;
        for (const reflect::FieldInfo& field : type.fields) {
          bytes_ += field.name.empty() ? 0 : field.name.size() + 3;
          add(field.type(), field.get_const(object));
        }
        break;
      default:
        bytes_ += 1;
    }
    --depth_;
  }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  void variant(const TypeInfo& type, const void* object) {
    bytes_ += 6;
    const std::size_t index = type.variant.index(object);
    if (index < type.variant.alternatives.size()) add(type.variant.alternatives[index](), type.variant.get(object));
  }

  void sequence(const TypeInfo& type, const void* object) {
    const TypeInfo& element = type.sequence.element();
    const std::size_t count = type.sequence.size(object);
    bytes_ += std::max<std::size_t>(2, 1 + count);  // brackets, and commas between the elements
    if (is_one_number(element.kind))
      bytes_ += count;
    else if (bytes_ <= enough_)
      type.sequence.for_each(object, [&](const void* one) { add(element, one); });
  }

  void map(const TypeInfo& type, const void* object) {
    const TypeInfo& key = type.map.key();
    const TypeInfo& value = type.map.value();
    const std::size_t count = type.map.size(object);
    bytes_ += std::max<std::size_t>(2, 1 + 2 * count);
    if (is_one_number(key.kind) && is_one_number(value.kind))
      bytes_ += 2 * count;
    else if (bytes_ <= enough_)
      type.map.for_each(object, [&](const void* one_key, const void* one_value) {
        add(key, one_key);
        add(value, one_value);
      });
  }

  const std::size_t enough_;
  std::size_t bytes_ = 0;
  int depth_ = 0;
};

}  // namespace

std::size_t json_bytes_min(const TypeInfo& type, const void* object, std::size_t enough) {
  JsonMeasure measure(enough);
  measure.add(type, object);
  return measure.bytes();
}

}  // namespace epic::codec

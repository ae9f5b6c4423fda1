#include "codec/object_json.hpp"

#include <algorithm>

#include "codec/scalars.hpp"
#include "codec/sort_key.hpp"
#include "codec/time_units.hpp"
#include "reflect/schema_of.hpp"
#include "reflect/text_of.hpp"

namespace epic::codec {

using reflect::Kind;
using reflect::TypeInfo;

const Labels& labels_of(const TypeInfo& variant, LabelCache& cache) {
  return cache.get(&variant, [&] { return make_labels(reflect::schema_of(variant), /*variant=*/0); });
}

std::uint64_t ObjectView::bits() const { return load_bits(*type_, object_); }

std::string_view ObjectView::text() const {
  return kind() == Kind::ref ? type_->ref.get(object_) : reflect::text_of(*type_, object_);
}

std::optional<std::string_view> ObjectView::find_enumerator(std::int64_t value) const {
  for (const auto& enumerator : type_->enumeration.enumerators)
    if (enumerator.value == value) return enumerator.name;
  return std::nullopt;
}

std::optional<ObjectView> ObjectView::held() const {
  const void* const value = type_->optional.get(object_);
  if (value == nullptr) return std::nullopt;
  return part(type_->optional.element(), value);
}

std::pair<std::string_view, ObjectView> ObjectView::alternative() const {
  const std::size_t index = type_->variant.index(object_);
  if (index >= type_->variant.alternatives.size())
    throw std::length_error("a variant that holds nothing (valueless by exception) cannot be shown");
  return {labels_of(*type_, *labels_)[index], part(type_->variant.alternatives[index](), type_->variant.get(object_))};
}

void ObjectView::each_field(reflect::FunctionRef<void(std::string_view, const ObjectView&)> visit) const {
  for (const auto& field : type_->fields) visit(field.name, part(field.type(), field.get_const(object_)));
}

void ObjectView::each_element(reflect::FunctionRef<void(const ObjectView&)> visit) const {
  const reflect::SequenceOps& ops = type_->sequence;
  const TypeInfo& element = ops.element();
  if (ops.is_unordered) {
    for (const void* object : sorted_elements(ops, object_)) visit(part(element, object));
  } else {
    ops.for_each(object_, [&](const void* object) { visit(part(element, object)); });
  }
}

void ObjectView::each_entry(reflect::FunctionRef<void(const ObjectView&, const ObjectView&)> visit) const {
  const reflect::MapOps& ops = type_->map;
  if (ops.is_unordered) {
    for (const MapEntry& entry : sorted_entries(ops, object_))
      visit(part(ops.key(), entry.key), part(ops.value(), entry.value));
  } else {
    ops.for_each(object_,
                 [&](const void* key, const void* value) { visit(part(ops.key(), key), part(ops.value(), value)); });
  }
}

bool ObjectSink::try_set_bits(std::uint64_t bits) {
  if (kind() == Kind::duration || kind() == Kind::time_point) {
    return set_time(type_->time, object_, type_->time.unit, bits);
  } else if (kind() == Kind::boolean) {
    store_as(object_, bits != 0);
  } else {
    std::memcpy(object_, &bits, type_->size_bytes);
  }
  return true;
}

bool ObjectSink::try_set_text(std::string_view text) {
  if (kind() == Kind::ref) return type_->ref.set(object_, text);
  reflect::set_text(*type_, object_, text);
  return true;
}

ObjectSink ObjectSink::emplace_alternative(std::size_t index) {
  return part(type_->variant.alternatives[index](), type_->variant.emplace(object_, index));
}

std::vector<std::string_view> ObjectSink::field_names() const {
  std::vector<std::string_view> names;
  for (const auto& field : type_->fields) names.push_back(field.name);
  return names;
}

std::optional<std::size_t> ObjectSink::find_field(std::string_view name) const {
  for (std::size_t i = 0; i < type_->fields.size(); ++i)
    if (type_->fields[i].name == name) return i;
  for (std::size_t i = 0; i < type_->fields.size(); ++i)
    if (std::ranges::find(type_->fields[i].former_names, name) != type_->fields[i].former_names.end()) return i;
  return std::nullopt;
}

ObjectSink ObjectSink::field(std::size_t index) {
  const reflect::FieldInfo& field = type_->fields[index];
  return part(field.type(), field.get(object_));
}

bool ObjectSink::assign(std::size_t count, reflect::FunctionRef<bool(ObjectSink)> read) {
  const TypeInfo& element = type_->sequence.element();
  return type_->sequence.assign(object_, count, [&](void* object) { return read(part(element, object)); });
}

bool ObjectSink::assign_entries(std::size_t count, reflect::FunctionRef<bool(ObjectSink, ObjectSink)> read) {
  const reflect::MapOps& ops = type_->map;
  return ops.assign(object_, count,
                    [&](void* key, void* value) { return read(part(ops.key(), key), part(ops.value(), value)); });
}

}  // namespace epic::codec

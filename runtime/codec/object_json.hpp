#pragma once
// Objects in memory, as the JSON writer and reader see them. Used by json_codec.cpp only.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/json_labels.hpp"
#include "epic/type_info.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {

/// The labels of a variant, by its table.
[[nodiscard]] const Labels& labels_of(const reflect::TypeInfo& variant, LabelCache& cache);

/// A value in memory. Borrows the object and the cache.
class ObjectView {
 public:
  ObjectView(const reflect::TypeInfo& type, const void* object, LabelCache& labels)
      : type_(&type), object_(object), labels_(&labels) {}

  [[nodiscard]] reflect::Kind kind() const { return type_->kind; }
  [[nodiscard]] const reflect::TimeUnit& unit() const { return type_->time.unit; }
  [[nodiscard]] std::uint64_t bits() const;
  [[nodiscard]] std::string_view text() const;
  [[nodiscard]] std::span<const std::byte> bytes() const { return *static_cast<const Bytes*>(object_); }
  [[nodiscard]] std::optional<std::string_view> find_enumerator(std::int64_t value) const;
  [[nodiscard]] std::optional<ObjectView> held() const;
  [[nodiscard]] std::pair<std::string_view, ObjectView> alternative() const;
  [[nodiscard]] bool is_multi() const { return type_->map.is_multi; }

  void each_field(reflect::FunctionRef<void(std::string_view, const ObjectView&)> visit) const;
  void each_element(reflect::FunctionRef<void(const ObjectView&)> visit) const;
  void each_entry(reflect::FunctionRef<void(const ObjectView&, const ObjectView&)> visit) const;

 private:
  [[nodiscard]] ObjectView part(const reflect::TypeInfo& type, const void* object) const {
    return {type, object, *labels_};
  }

  const reflect::TypeInfo* type_;
  const void* object_;
  LabelCache* labels_;
};

/// A place in memory to read a value into. Borrows the object and the cache.
class ObjectSink {
 public:
  ObjectSink(const reflect::TypeInfo& type, void* object, LabelCache& labels)
      : type_(&type), object_(object), labels_(&labels) {}

  [[nodiscard]] reflect::Kind kind() const { return type_->kind; }
  [[nodiscard]] const reflect::TimeUnit& unit() const { return type_->time.unit; }
  [[nodiscard]] std::string_view ref_class() const { return reflect::ref_class(*type_); }
  [[nodiscard]] std::string type_text() const { return reflect::type_text(*type_); }

  /// False if the type cannot hold the time.
  bool try_set_bits(std::uint64_t bits);
  void set_bytes(const Bytes& bytes) { *static_cast<Bytes*>(object_) = bytes; }
  bool try_set_text(std::string_view text);
  bool try_set_enumeration(std::int64_t value) { return type_->enumeration.set(object_, value); }
  [[nodiscard]] std::span<const reflect::EnumeratorInfo> enumerators() const { return type_->enumeration.enumerators; }

  void reset() { type_->optional.reset(object_); }
  ObjectSink emplace() { return part(type_->optional.element(), type_->optional.emplace(object_)); }

  [[nodiscard]] const Labels& labels() const { return labels_of(*type_, *labels_); }
  ObjectSink emplace_alternative(std::size_t index);

  void begin_fields() {}  // the object already exists
  [[nodiscard]] std::size_t field_count() const { return type_->fields.size(); }
  [[nodiscard]] std::vector<std::string_view> field_names() const;
  /// Finds a field by its name, or else by a former name.
  [[nodiscard]] std::optional<std::size_t> find_field(std::string_view name) const;
  ObjectSink field(std::size_t index);

  [[nodiscard]] std::size_t fixed_count() const { return type_->sequence.fixed_count; }
  bool assign(std::size_t count, reflect::FunctionRef<bool(ObjectSink)> read);
  bool assign_entries(std::size_t count, reflect::FunctionRef<bool(ObjectSink, ObjectSink)> read);
  /// True if a set or map that was given `count` elements has fewer: some were duplicates.
  [[nodiscard]] bool has_fewer_than(std::size_t count) const {
    return type_->kind == reflect::Kind::map ? type_->map.size(object_) < count
                                             : type_->sequence.is_set && type_->sequence.size(object_) < count;
  }

 private:
  [[nodiscard]] ObjectSink part(const reflect::TypeInfo& type, void* object) const { return {type, object, *labels_}; }

  const reflect::TypeInfo* type_;
  void* object_;
  LabelCache* labels_;
};

}  // namespace epic::codec

#include "codec/read_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "codec/scalars.hpp"
#include "epic/entity_info.hpp"
#include "reflect/schema_of.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {
namespace {

using reflect::Kind;
using reflect::Schema;
using reflect::TypeInfo;
using Action = ReadPlan::Action;

struct NumberTraits {
  enum class Family { none, is_signed, is_unsigned, floating } family = Family::none;
  int value_bits = 0;  // of an integer's magnitude, of a float's significand
};

NumberTraits number_traits(Kind kind) {
  if (kind < Kind::int8 || kind > Kind::float64) return {};
  return with_number(kind, []<class T>(T) -> NumberTraits {
    using Family = NumberTraits::Family;
    return {std::is_floating_point_v<T> ? Family::floating
            : std::is_signed_v<T>       ? Family::is_signed
                                        : Family::is_unsigned,
            std::numeric_limits<T>::digits};
  });
}

bool is_number(Kind kind) { return kind == Kind::boolean || number_traits(kind).family != NumberTraits::Family::none; }

class PlanMaker {
 public:
  PlanMaker(const Schema& written, Reading reading) : written_(written), reading_(reading) {}

  /// Filled in a loop, not recursively: a chain of types may be as long as a schema.
  std::vector<std::unique_ptr<ReadPlan>> make_all(const TypeInfo& type) {
    make(/*index=*/0, type);
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      const Pending next = pending_[i];
      fill(*next.plan, next.index, *next.plan->type);
    }
    return std::move(plans_);
  }

 private:
  struct Pending {
    ReadPlan* plan;
    Schema::Index index;
  };

  /// The plan for a pair; it may still have to be filled.
  const ReadPlan* make(Schema::Index index, const TypeInfo& type) {
    const auto [known, is_new] = known_.try_emplace({index, &type}, nullptr);
    if (!is_new) return known->second;
    ReadPlan& plan = *plans_.emplace_back(std::make_unique<ReadPlan>());
    known->second = &plan;
    const Schema::Node& node = written_.node(index);
    plan.type = &type;
    plan.index = index;
    plan.written = node.kind;
    plan.unit = node.unit;
    plan.slot = slot_size(node.kind);
    if (is_struct(node.kind) || node.kind == Kind::map) plan.body = make_layout(node.kind, part_sizes(node));
    pending_.push_back({.plan = &plan, .index = index});
    return &plan;
  }

  std::vector<SlotSize> part_sizes(const Schema::Node& node) const {
    std::vector<SlotSize> sizes;
    for (const auto& part : node.parts) sizes.push_back(slot_size(written_.node(part.type).kind));
    return sizes;
  }

  void fill(ReadPlan& plan, Schema::Index index, const TypeInfo& type) {
    const Schema::Node& node = written_.node(index);
    if (type.kind == Kind::optional && node.kind != Kind::optional) {
      plan.action = Action::wrap;
      plan.parts = {make(index, type.optional.element())};
      return;
    }
    if (is_number(node.kind) && is_widening(node.kind, type.kind)) {
      plan.action = Action::number;
      if (node.kind == type.kind) plan.plain_bytes = plain_bytes(type);
      return;
    }
    if (reading_ == Reading::sent && is_narrower(index, type)) {
      plan.action = Action::narrow;
      return;
    }
    if (reading_ == Reading::sent && node.kind == Kind::optional && type.kind != Kind::optional) {
      plan.action = Action::unwrap;
      plan.parts = {make(node.parts[0].type, type)};
      return;
    }
    if (index == 0 && ((node.kind == Kind::tuple && type.kind == Kind::record) ||
                       (node.kind == Kind::record && type.kind == Kind::tuple)))
      return fill_tuple(plan, node);  // arguments with names on one side only
    if (node.kind != type.kind) return refuse(plan, index);
    switch (type.kind) {
      case Kind::ref:
        if (!names_class(node.name, type)) return refuse(plan, index);
        plan.action = Action::plain;
        return;
      case Kind::enumeration:
        return fill_enumeration(plan, node);
      case Kind::optional:
        plan.action = Action::optional;
        plan.parts = {make(node.parts[0].type, type.optional.element())};
        return;
      case Kind::variant:
        if (node.is_expected != type.variant.is_expected) return refuse(plan, index);
        return node.is_expected ? fill_expected(plan, node) : fill_variant(plan, node);
      case Kind::sequence:
        plan.action = Action::sequence;
        plan.parts = {make(node.parts[0].type, type.sequence.element())};
        return;
      case Kind::map:
        plan.action = Action::map;
        plan.parts = {make(node.parts[0].type, type.map.key()), make(node.parts[1].type, type.map.value())};
        return;
      case Kind::tuple:
        return fill_tuple(plan, node);
      case Kind::record:
        return fill_record(plan, node);
      default:
        plan.action = Action::plain;
    }
  }

  void refuse(ReadPlan& plan, Schema::Index index) {
    plan.action = Action::mismatch;
    plan.problem = fmt::format("was written as {} and cannot be read as {}", written_.type_text(index),
                               reflect::type_text(*plan.type));
  }

  /// Refs of an older epic state no class, and neither do those to a class that no module has.
  static bool names_class(std::string_view written, const TypeInfo& type) {
    const reflect::EntityInfo* const target = type.ref.target();
    return written.empty() || target == nullptr || target->stored_name() == written || target->type_name == written ||
           std::ranges::find(target->former_names, written) != target->former_names.end();
  }

  static void fill_enumeration(ReadPlan& plan, const Schema::Node& node) {
    plan.action = Action::enumeration;
    plan.is_same_enumeration = true;
    for (const auto& [name, value] : node.enumerators) {
      std::optional<std::int64_t> today;
      for (const auto& enumerator : plan.type->enumeration.enumerators)
        if (enumerator.name == name) today = enumerator.value;
      if (today != value) plan.is_same_enumeration = false;
      plan.enumerators.push_back({.written = value, .name = name, .value = today});
    }
  }

  void fill_tuple(ReadPlan& plan, const Schema::Node& node) {
    plan.action = Action::fields;
    const std::size_t count = std::min(node.parts.size(), plan.type->fields.size());
    for (std::size_t i = 0; i < count; ++i) add_field(plan, node, i, i);
  }

  void fill_record(ReadPlan& plan, const Schema::Node& node) {
    plan.action = Action::fields;
    for (std::size_t i = 0; i < plan.type->fields.size(); ++i)
      if (const auto part = find_part(node, *plan.type, plan.type->fields[i])) add_field(plan, node, *part, i);
  }

  void add_field(ReadPlan& plan, const Schema::Node& node, std::size_t part, std::size_t position) {
    const reflect::FieldInfo& into = plan.type->fields[position];
    plan.fields.push_back({.slot = plan.body.slots[part],
                           .part = part,
                           .into = &into,
                           .position = position,
                           .plan = make(node.parts[part].type, into.type())});
  }

  /// A former name counts only if no current field has it.
  static std::optional<std::size_t> find_part(const Schema::Node& node, const TypeInfo& type,
                                              const reflect::FieldInfo& field) {
    const auto find = [&](std::string_view name) -> std::optional<std::size_t> {
      for (std::size_t i = 0; i < node.parts.size(); ++i)
        if (node.parts[i].name == name) return i;
      return std::nullopt;
    };
    if (const auto part = find(field.name)) return part;
    for (const std::string_view former : field.former_names) {
      const bool is_taken = std::ranges::any_of(type.fields, [&](const auto& other) { return other.name == former; });
      if (const auto part = find(former); part && !is_taken) return part;
    }
    return std::nullopt;
  }

  /// A value stays a value, and an error an error, whatever their types.
  void fill_expected(ReadPlan& plan, const Schema::Node& node) {
    plan.action = Action::variant;
    for (std::size_t i = 0; i < node.parts.size(); ++i) {
      plan.alternatives.push_back(i);
      plan.parts.push_back(make(node.parts[i].type, plan.type->variant.alternatives[i]()));
    }
  }

  /// An alternative maps to the same type, preferably at its own index; otherwise to the type of that name in another
  /// namespace, then to a type it converts to; for sent data, finally to a type that may not hold the value.
  void fill_variant(ReadPlan& plan, const Schema::Node& node) {
    plan.action = Action::variant;
    const auto alternatives = plan.type->variant.alternatives;
    for (std::size_t i = 0; i < node.parts.size(); ++i) {
      const Schema::Index part = node.parts[i].type;
      const auto choose = [&](auto fits) -> std::optional<std::size_t> {
        if (i < alternatives.size() && fits(alternatives[i]())) return i;
        for (std::size_t j = 0; j < alternatives.size(); ++j)
          if (fits(alternatives[j]())) return j;
        return std::nullopt;
      };
      auto chosen = choose([&](const TypeInfo& candidate) { return is_same_type(part, candidate); });
      if (!chosen) chosen = choose([&](const TypeInfo& candidate) { return has_same_last_name(part, candidate); });
      if (!chosen) chosen = choose([&](const TypeInfo& candidate) { return is_number_like(part, candidate); });
      if (!chosen && reading_ == Reading::sent)
        chosen = choose([&](const TypeInfo& candidate) { return is_narrower(part, candidate); });
      if (chosen) {
        plan.alternatives.push_back(*chosen);
        plan.parts.push_back(make(part, alternatives[*chosen]()));
      } else {
        ReadPlan& missing = *plans_.emplace_back(std::make_unique<ReadPlan>());
        missing.type = plan.type;
        missing.index = part;
        missing.written = written_.node(part).kind;
        refuse(missing, part);
        plan.alternatives.push_back(0);
        plan.parts.push_back(&missing);
      }
    }
  }

  /// Named types match by name, so that they may change inside; others match by their text.
  bool is_same_type(Schema::Index part, const TypeInfo& candidate) {
    const Schema::Node& node = written_.node(part);
    if (node.kind != candidate.kind) return false;
    if (node.kind == Kind::record || node.kind == Kind::enumeration) return node.name == candidate.name;
    const Schema today = reflect::schema_of(candidate);
    return today.type_text(0) == written_.type_text(part);
  }

  /// A named type that has moved to another namespace.
  bool has_same_last_name(Schema::Index part, const TypeInfo& candidate) const {
    const Schema::Node& node = written_.node(part);
    if (node.kind != candidate.kind || (node.kind != Kind::record && node.kind != Kind::enumeration)) return false;
    const auto last_name = [](std::string_view name) {
      const std::size_t colons = name.substr(0, name.find('<')).rfind("::");
      return colons == std::string_view::npos ? name : name.substr(colons + 2);
    };
    return last_name(node.name) == last_name(candidate.name);
  }

  /// The same kind, or a wider number; whether the parts match shows when they are read.
  bool is_number_like(Schema::Index part, const TypeInfo& candidate) const {
    const Kind kind = written_.node(part).kind;
    if (kind == Kind::record || kind == Kind::enumeration) return false;
    return kind == candidate.kind || (is_number(kind) && is_widening(kind, candidate.kind));
  }

  bool is_narrower(Schema::Index part, const TypeInfo& candidate) const {
    const Kind kind = written_.node(part).kind;
    return is_number(kind) && is_widening(candidate.kind, kind);
  }

  struct KeyHash {
    std::size_t operator()(const std::pair<Schema::Index, const TypeInfo*>& key) const noexcept {
      return std::hash<const void*>{}(key.second) * 31 + key.first;
    }
  };

  const Schema& written_;
  Reading reading_;
  std::vector<std::unique_ptr<ReadPlan>> plans_;
  std::vector<Pending> pending_;
  std::unordered_map<std::pair<Schema::Index, const TypeInfo*>, const ReadPlan*, KeyHash> known_;
};

}  // namespace

bool is_widening(Kind from, Kind to) {
  using Family = NumberTraits::Family;
  if (from == to) return true;
  const NumberTraits source = number_traits(from);
  const NumberTraits target = number_traits(to);
  if (source.family == Family::none || target.family == Family::none) return false;
  if (target.family == Family::is_unsigned && source.family != Family::is_unsigned) return false;
  if (source.family == Family::floating && target.family != Family::floating) return false;
  return source.value_bits <= target.value_bits;
}

const ReadPlan& ReadPlans::get(const Schema& written, const TypeInfo& type, Reading reading) {
  PlanList& list = plans_[{.schema = written.id(), .type = &type, .reading = reading}];
  if (list.empty()) list = PlanMaker(written, reading).make_all(type);
  return *list.front();
}

}  // namespace epic::codec

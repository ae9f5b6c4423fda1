#include "codec/conversion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "codec/limits.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {
namespace {

using reflect::Kind;
using reflect::Schema;
using Action = ReadPlan::Action;
using What = Change::What;

/// Whether decoding reaches a place with every value, or only with some.
enum class Reach : std::uint8_t { always, sometimes };

class Walker {
 public:
  explicit Walker(const Schema& written) : written_(written) {}

  void walk(const ReadPlan& plan, const std::string& path, Reach reach) {
    // Nothing deeper than the depth limit is ever read. A pair without changes below is not visited again; once the
    // list of changes is full, no pair is, because its effect is known.
    const std::pair visit{&plan, reach};
    if (!open_.insert(visit).second) return;
    const auto known = seen_.find(visit);
    const bool is_known = known != seen_.end() && (!known->second || changes.size() >= kChangesMax);
    if (!is_known && open_.size() <= static_cast<std::size_t>(kValueDepthMax)) {
      const std::size_t before = changes.size();
      look(plan, path, reach);
      seen_[visit] = changes.size() != before;
    }
    open_.erase(visit);
  }

  std::vector<Change> changes;
  bool depends_on_values = false;

 private:
  void look(const ReadPlan& plan, const std::string& path, Reach reach) {
    switch (plan.action) {
      case Action::plain:
        depends_on_values = depends_on_values || plan.unit != plan.type->time.unit;
        if (plan.written == Kind::ref && written_.node(plan.index).name.empty() && plan.type->ref.target() != nullptr)
          depends_on_values = true;
        return;
      case Action::number:
        if (plan.written != plan.type->kind) add(What::widened, Effect::converts, path, was(plan), is(plan));
        return;
      case Action::enumeration:
        return enumeration(plan, path);
      case Action::optional:
        return walk(*plan.parts[0], path, Reach::sometimes);
      case Action::wrap:
        add(What::made_optional, Effect::converts, path, was(plan), is(plan));
        return walk(*plan.parts[0], path, reach);
      case Action::variant:
        return variant(plan, path);
      case Action::sequence:
        depends_on_values = depends_on_values || plan.type->sequence.fixed_count > 0 || plan.type->sequence.is_set;
        return walk(*plan.parts[0], path + "[]", Reach::sometimes);
      case Action::map:
        depends_on_values = depends_on_values || (written_.node(plan.index).is_multi && !plan.type->map.is_multi);
        walk(*plan.parts[0], path + "[].key", Reach::sometimes);
        return walk(*plan.parts[1], path + "[]", Reach::sometimes);
      case Action::fields:
        return fields(plan, path, reach);
      case Action::narrow:
      case Action::unwrap:
      case Action::mismatch:
        return unreadable(plan, path, reach);
    }
  }

  void unreadable(const ReadPlan& plan, const std::string& path, Reach reach) {
    add(What::unreadable, reach == Reach::always ? Effect::fails : Effect::may_fail, path, was(plan), is(plan));
  }

  void enumeration(const ReadPlan& plan, const std::string& path) {
    bool has_moved = false;
    for (const ReadPlan::Enumerator& enumerator : plan.enumerators) {
      if (!enumerator.value)
        add(What::enumerator_dropped, Effect::may_fail, path, enumerator.name, is(plan));
      else
        has_moved = has_moved || *enumerator.value != enumerator.written;
    }
    if (has_moved) add(What::enumerators_moved, Effect::converts, path, was(plan), is(plan));
  }

  void variant(const ReadPlan& plan, const std::string& path) {
    for (std::size_t i = 0; i < plan.parts.size(); ++i) {
      const ReadPlan& part = *plan.parts[i];
      if (part.action != Action::mismatch && plan.alternatives[i] != i)
        add(What::alternative_moved, Effect::converts, path, fmt::format("{}", i),
            fmt::format("{}", plan.alternatives[i]));
      walk(part, path, Reach::sometimes);
    }
  }

  void fields(const ReadPlan& plan, const std::string& path, Reach reach) {
    const Schema::Node& node = written_.node(plan.index);
    const auto name_of = [](std::string_view name, std::size_t position) {
      return name.empty() ? fmt::format("[{}]", position) : std::string(name);
    };
    const auto at = [&](const std::string& name) {
      return path.empty() || name.starts_with('[') ? path + name : path + "." + name;
    };
    std::set<std::size_t> read_parts;
    std::set<std::size_t> filled;
    for (const ReadPlan::Field& field : plan.fields) {
      read_parts.insert(field.part);
      filled.insert(field.position);
      const std::string& former = node.parts[field.part].name;
      const std::string name = name_of(field.into->name, field.position);
      if (!former.empty() && !field.into->name.empty() && former != field.into->name)
        add(What::renamed, Effect::converts, at(name), former, name);
      walk(*field.plan, at(name), reach);
    }
    for (std::size_t i = 0; i < node.parts.size(); ++i)
      if (!read_parts.contains(i))
        add(What::dropped, Effect::converts, at(name_of(node.parts[i].name, i)), written_.type_text(node.parts[i].type),
            {});
    for (std::size_t i = 0; i < plan.type->fields.size(); ++i)
      if (!filled.contains(i))
        add(What::added, Effect::converts, at(name_of(plan.type->fields[i].name, i)), {},
            reflect::type_text(plan.type->fields[i].type()));
  }

  [[nodiscard]] std::string was(const ReadPlan& plan) const { return written_.type_text(plan.index); }
  [[nodiscard]] static std::string is(const ReadPlan& plan) { return reflect::type_text(*plan.type); }

  /// Once the list is full, adds only changes more serious than all those in it.
  void add(What what, Effect effect, const std::string& field, std::string was, std::string is) {
    if (changes.size() >= kChangesMax && effect <= gravest_) return;
    gravest_ = std::max(gravest_, effect);
    changes.push_back({what, effect, field, std::move(was), std::move(is)});
  }

  using Visit = std::pair<const ReadPlan*, Reach>;
  const Schema& written_;
  std::set<Visit> open_;        // the current path
  std::map<Visit, bool> seen_;  // whether it has changes
  Effect gravest_ = Effect::converts;
};

}  // namespace

Effect Conversion::effect() const {
  Effect gravest = Effect::converts;
  for (const Change& change : changes) gravest = std::max(gravest, change.effect);
  return gravest;
}

Conversion examine(const Schema& written, const reflect::TypeInfo& type) {
  ReadPlans plans;
  Walker walker(written);
  walker.walk(plans.get(written, type, Reading::stored), {}, Reach::always);
  return {.changes = std::move(walker.changes), .depends_on_values = walker.depends_on_values};
}

std::string describe(const Change& change) {
  const std::string field = change.field.empty() ? "the value" : change.field;
  switch (change.what) {
    case What::added:
      return fmt::format("{} ({}) is new", field, change.is);
    case What::dropped:
      return fmt::format("{} ({}) is dropped", field, change.was);
    case What::renamed:
      return fmt::format("{} was {}", field, change.was);
    case What::widened:
    case What::made_optional:
      return fmt::format("{}: {} becomes {}", field, change.was, change.is);
    case What::enumerators_moved:
      return fmt::format("{}: {} goes by its names", field, change.is);
    case What::enumerator_dropped:
      return fmt::format("{}: {} has no {} any more", field, change.is, change.was);
    case What::alternative_moved:
      return fmt::format("{}: alternative {} is now {}", field, change.was, change.is);
    case What::unreadable:
      return fmt::format("{}: {} cannot be read as {}", field, change.was, change.is);
  }
  return field;
}

}  // namespace epic::codec

#include "kernel/type_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/assert.hpp"
#include "kernel/placement_groups.hpp"
#include "reflect/schema_of.hpp"

namespace epic::kernel {

namespace {

std::expected<void, std::string> check_renames(const reflect::EntityInfo& info) {
  if (!info.unlisted_renames.empty())
    return std::unexpected(
        fmt::format("{} has renamed(…) with the new name '{}', but lists neither a member nor a method of that name in "
                    "its EPIC_ENTITY",
                    info.type_name, info.unlisted_renames.front()));
  for (auto former = info.former_methods.begin(); former != info.former_methods.end(); ++former) {
    if (std::ranges::find(info.methods, former->name, &reflect::MethodInfo::name) != info.methods.end())
      return std::unexpected(fmt::format("{} lists the method '{}', which renamed(…) says is called '{}' now",
                                         info.type_name, former->name, former->now->name));
    if (std::ranges::find(std::next(former), info.former_methods.end(), former->name, &reflect::FormerMethod::name) !=
        info.former_methods.end())
      return std::unexpected(
          fmt::format("{} has two methods that renamed(…) says were called '{}'", info.type_name, former->name));
  }
  return {};
}

}  // namespace

std::expected<void, std::string> TypeTable::add(const ModuleInfo& module) {
  if (const auto groups = groups_of(module); !groups) return std::unexpected(groups.error());
  std::vector<std::string_view> taken;
  for (const EntityInfoFn info_of : module.entities) {
    const reflect::EntityInfo& info = info_of();
    std::vector<std::string_view> names{info.type_name};
    for (const std::string_view former : info.former_names)
      if (former != info.type_name) names.push_back(former);  // it may have its former name again
    for (const std::string_view name : names) {
      if (by_name_.contains(name) || std::ranges::find(taken, name) != taken.end())
        return std::unexpected(
            fmt::format("two entity classes are called '{}'. Rename one with named(\"…\") in its EPIC_ENTITY", name));
      if (name.empty() || name.find_first_of("/ \n") != std::string_view::npos)
        return std::unexpected(
            fmt::format("'{}' is not a valid name for an entity class: it must not contain "
                        "'/', spaces or line breaks",
                        name));
      taken.push_back(name);
    }
    if (!info.unlisted_params.empty())
      return std::unexpected(
          fmt::format("{} names parameters of '{}' with params(…), but does not list that method in methods(…) "
                      "or exclusive(…) in its EPIC_ENTITY",
                      info.type_name, info.unlisted_params.front()));
    if (auto renames = check_renames(info); !renames) return renames;
    for (std::size_t i = 0; i < info.methods.size(); ++i)
      for (std::size_t j = i + 1; j < info.methods.size(); ++j)
        if (info.methods[i]->name == info.methods[j]->name)
          return std::unexpected(
              fmt::format("{} lists the method '{}' twice in EPIC_ENTITY", info.type_name, info.methods[i]->name));
  }
  for (const EntityInfoFn info_of : module.entities) {
    const reflect::EntityInfo& info = info_of();
    auto entry = std::make_unique<TypeEntry>(TypeEntry{.info = &info,
                                                       .schema = reflect::schema_of(info.state),
                                                       .method_base = static_cast<std::uint32_t>(methods_.size())});
    entry->local_max = info.local_max;
    entry->is_stored = info.durability != reflect::Durability::transient && !info.state.fields.empty();
    entry->is_gated = entry->is_stored && info.durability == reflect::Durability::gated;
    const auto announce = [&](const reflect::MethodInfo& method, std::string_view name) {
      methods_.push_back({.type = std::string(info.stored_name()),
                          .method = std::string(name),
                          .arguments_schema = reflect::schema_of(method.arguments()).text(),
                          .result_schema = method.result == nullptr ? "" : reflect::schema_of(method.result()).text()});
    };
    for (const reflect::MethodInfo* method : info.methods) announce(*method, method->name);
    // By which older peers read what it returns. Calls go by the numbers of the names above.
    for (const reflect::FormerMethod& former : info.former_methods) announce(*former.now, former.name);
    by_name_.emplace(info.type_name, entry.get());
    for (const std::string_view former : info.former_names) by_name_.emplace(former, entry.get());
    has_former_names_ = has_former_names_ || !info.former_names.empty();
    types_.push_back(std::move(entry));
  }
  return {};
}

TypeEntry* TypeTable::find(std::string_view type_name) {
  const auto found = by_name_.find(type_name);
  return found == by_name_.end() ? nullptr : found->second;
}

bool TypeTable::is_local(std::string_view entity) const {
  const auto found = by_name_.find(entity.substr(0, entity.find('/')));
  return found != by_name_.end() && found->second->local_max > 0;
}

std::string TypeTable::shown(std::string_view entity) const {
  if (!has_former_names_) return std::string(entity);
  const std::string_view type = entity.substr(0, entity.find('/'));
  const auto found = by_name_.find(type);
  if (found == by_name_.end()) return std::string(entity);
  return std::string(found->second->info->type_name).append(entity.substr(type.size()));
}

std::string_view TypeTable::stored_name(std::string_view type_name) const {
  if (!has_former_names_) return type_name;
  const auto found = by_name_.find(type_name);
  return found == by_name_.end() ? type_name : found->second->info->stored_name();
}

std::string TypeTable::stored(std::string_view entity) const {
  const std::string_view type = entity.substr(0, entity.find('/'));
  return std::string(stored_name(type)).append(entity.substr(type.size()));
}

std::uint32_t TypeTable::number_of(const TypeEntry& type, const reflect::MethodInfo& method) const {
  const auto found = std::ranges::find(type.info->methods, method.name, &reflect::MethodInfo::name);
  EPIC_ASSERT(found != type.info->methods.end(), "{} has no method '{}'", type.info->type_name, method.name);
  return type.method_base + static_cast<std::uint32_t>(found - type.info->methods.begin());
}

PeerTable TypeTable::resolve(const std::vector<MethodEntry>& methods) {
  PeerTable resolved;
  resolved.methods.reserve(methods.size());
  for (const MethodEntry& theirs : methods) {
    PeerMethod ours;
    ours.name = theirs.type + "." + theirs.method;
    if ((ours.type = find(theirs.type)) != nullptr) {
      ours.method = ours.type->info->find_method(theirs.method);
      ours.name = fmt::format("{}.{}", ours.type->info->type_name, theirs.method);
    }
    if (auto schema = reflect::Schema::parse(theirs.arguments_schema))
      ours.arguments = std::move(*schema);
    else
      ours.arguments_error = schema.error();
    if (!theirs.result_schema.empty())
      if (auto schema = reflect::Schema::parse(theirs.result_schema)) ours.result = std::move(*schema);
    if (ours.method != nullptr)
      resolved.numbers.emplace(ours.method, static_cast<std::uint32_t>(resolved.methods.size()));
    resolved.methods.push_back(std::move(ours));
  }
  return resolved;
}

std::string TypeTable::nearest_type(std::string_view type_name) const {
  std::vector<std::string_view> names;
  for (const auto& type : types_) names.push_back(type->info->type_name);
  return nearest_word(type_name, names);
}

std::string nearest_word(std::string_view word, const std::vector<std::string_view>& candidates) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  std::size_t best_distance = 3;
  std::string best;
  for (const std::string_view candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t replace = diagonal + (lower(word[i - 1]) == lower(candidate[j - 1]) ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace epic::kernel

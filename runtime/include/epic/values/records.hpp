#pragma once
// Described structs, pairs and tuples.

#include <array>
#include <boost/describe/bases.hpp>
#include <boost/describe/class.hpp>
#include <boost/describe/members.hpp>
#include <boost/describe/modifiers.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>
#include <map>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "epic/values/table.hpp"

namespace epic::reflect {

/// A member `to` of a described struct that older snapshots call `from`; EPIC_RENAMED.
struct Rename {
  std::string_view from;
  std::string_view to;
};

}  // namespace epic::reflect

namespace epic::reflect::detail {

template <class T>
concept Tuple = is_instance<T, std::tuple> || is_instance<T, std::pair>;
template <class T>
concept DescribedStruct = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;

template <Tuple T>
struct ValueMaker<T> {
  static TypeInfo make() {
    static const auto fields = []<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<FieldInfo, sizeof...(I)>{
          FieldInfo{.name = {}, .type = &type_of<std::tuple_element_t<I, T>>, .get = [](void* o) -> void* {
                      return &std::get<I>(as<T>(o));
                    }}...};
    }(std::make_index_sequence<std::tuple_size_v<T>>{});
    TypeInfo info = basic<T>(Kind::tuple, "tuple");
    info.fields = fields;
    return info;
  }
};

template <class T>
using MembersOf =
    boost::describe::describe_members<T, boost::describe::mod_any_access | boost::describe::mod_inherited>;

template <class T>
concept HasRenames = requires { epic_renames(static_cast<const T*>(nullptr)); };

template <class T>
consteval bool renames_are_known() {
  bool are_known = true;
  for (const Rename& rename : epic_renames(static_cast<const T*>(nullptr))) {
    bool is_member = false;
    boost::mp11::mp_for_each<MembersOf<T>>([&](auto d) { is_member = is_member || rename.to == d.name; });
    are_known = are_known && is_member;
  }
  return are_known;
}

template <class T>
std::span<const std::string_view> former_names_of([[maybe_unused]] std::string_view member) {
  if constexpr (HasRenames<T>) {
    static_assert(renames_are_known<T>(),
                  "epic: EPIC_RENAMED(Type, (old, new)): the new name must be a described member of the struct");
    static const auto names = [] {
      std::map<std::string_view, std::vector<std::string_view>> by_member;
      for (const Rename& rename : epic_renames(static_cast<const T*>(nullptr)))
        by_member[rename.to].push_back(rename.from);
      return by_member;
    }();
    if (const auto found = names.find(member); found != names.end()) return found->second;
  }
  return {};
}

template <class T>
inline constexpr bool has_const_member = []<class... D>(boost::mp11::mp_list<D...>) {
  return (std::is_const_v<std::remove_reference_t<decltype(std::declval<T&>().*D::pointer)>> || ...);
}(boost::mp11::mp_rename<MembersOf<T>, boost::mp11::mp_list>{});

template <class T>
TypeInfo make_record() {
  static_assert(!has_const_member<T>,
                "epic: a described struct cannot have const members, because they are set when it is decoded");
  static const auto fields = []<class... D>(boost::mp11::mp_list<D...>) {
    return std::array<FieldInfo, sizeof...(D)>{
        FieldInfo{.name = D::name,
                  .type = &type_of<std::remove_cvref_t<decltype(std::declval<T&>().*D::pointer)>>,
                  .get = [](void* o) -> void* { return &(as<T>(o).*D::pointer); },
                  .former_names = former_names_of<T>(D::name)}...};
  }(boost::mp11::mp_rename<MembersOf<T>, boost::mp11::mp_list>{});
  TypeInfo info = basic<T>(Kind::record, name_of<T>());
  info.fields = fields;
  return info;
}

}  // namespace epic::reflect::detail

#pragma once
// EPIC_ENTITY: turns a class into an entity class, from inside the class, so that state can be private.
//
//   EPIC_ENTITY(Player, state(score, team), methods(enter_level, get_score))
//
// Each section is a word with arguments, in any order: base(GameEntity), state(…), methods(…), exclusive(…) or bare
// exclusive, params(method, x, y), renamed(old, new), named("Player", formerly("Hero")), together(Room), gated,
// interval(5s), transient, local(8). The macro goes last in the class and needs no semicolon. renamed(…) is for members
// of state and for methods; EPIC_RENAMED does the same for members of a described struct.
//
// How: every section is expanded several times: into a check of its word (EPIC_K_…), whether the class is local
// (EPIC_L_…), members of the proxy (EPIC_P_…) and of the one for Ref::cached (EPIC_C_…), parameter names (EPIC_N_…),
// and calls on the builder of the tables (EPIC_D_…). The section's word is pasted to the prefix and followed by `()`. A
// section with arguments ends in EPIC_EAT, which consumes these empty parentheses; a bare word takes them as its own.

#include <chrono>
#include <concepts>
#include <initializer_list>
#include <type_traits>

#include "epic/cached.hpp"
#include "epic/durations.hpp"
#include "epic/entity.hpp"
#include "epic/entity_info.hpp"
#include "epic/values.hpp"

namespace epic::detail {

template <class T>
concept HasEpicInfo = requires { typename T::EpicSelf; };

/// The number of names in a list with one trailing extra name; zero if a name occurs twice.
consteval std::size_t count_names(std::initializer_list<std::string_view> names) {
  for (const std::string_view* name = names.begin(); name != names.end(); ++name)
    for (const std::string_view* other = name + 1; other != names.end(); ++other)
      if (*name == *other) return 0;
  return names.size() - 1;
}

/// Builds an EntityInfo from the sections of EPIC_ENTITY.
template <class T>
class EntityBuilder {
 public:
  explicit EntityBuilder(std::string_view name) {
    static_assert(std::derived_from<T, Entity>, "epic: an entity class must derive from epic::Entity");
    static_assert(std::default_initializable<T>, "epic: an entity class needs a default constructor; its key is key()");
    info_.type_name = name;
    info_.self = &reflect::entity_info_of<T>;
    info_.has_on_activate = !std::same_as<decltype(&T::on_activate), Task<void> (Entity::*)()>;
    info_.has_on_deactivate = !std::same_as<decltype(&T::on_deactivate), Task<void> (Entity::*)()>;
    info_.create = []() -> Entity* { return new T(); };
    info_.destroy = [](Entity* entity) noexcept { delete static_cast<T*>(entity); };
    info_.object = [](Entity* entity) -> void* { return static_cast<T*>(entity); };
  }

  template <class Base>
  EntityBuilder&& base() && {
    static_assert(std::derived_from<T, Base>, "epic: base(B) must name a base class of this class");
    static_assert(HasEpicInfo<Base>, "epic: base(B) must name a class that has its own EPIC_ENTITY");
    const std::string_view name = info_.type_name;
    const auto former = info_.former_names;
    Base::template epic_describe<T>(std::move(*this));
    info_.bases.push_back(&Base::epic_info());
    info_.type_name = name;  // named(…) of the base does not apply
    info_.former_names = former;
    return std::move(*this);
  }
  template <auto Member>
  EntityBuilder&& state(std::string_view name) && {
    static_assert(std::is_member_object_pointer_v<decltype(Member)>,
                  "epic: state(...) must list data members that are not static; methods belong in methods(...)");
    static_assert(!T::epic_is_local,
                  "epic: a class with local(n) has several instances of a key, on every node, so it has no state(...): "
                  "members that are not listed live as long as an instance does");
    if constexpr (std::is_member_object_pointer_v<decltype(Member)>) {
      using Value = std::remove_reference_t<decltype(std::declval<T&>().*Member)>;
      static_assert(!std::is_const_v<Value>,
                    "epic: a const member cannot be state, because it changes when the entity is loaded");
      if constexpr (!std::is_const_v<Value>)
        info_.state_fields.push_back({.name = name, .type = &reflect::type_of<Value>, .get = [](void* object) -> void* {
                                        return &(static_cast<T*>(object)->*Member);
                                      }});
    }
    return std::move(*this);
  }
  template <auto Pointer, reflect::Locking locking>
  EntityBuilder&& method() && {
    if constexpr (check_method<Pointer>()) info_.methods.push_back(&method_info<Pointer, locking>());
    return std::move(*this);
  }
  template <class Declaring, auto Pointer, std::size_t count>
  EntityBuilder&& params(std::string_view method) && {
    if constexpr (check_method<Pointer>()) {
      using Traits = MethodTraits<decltype(Pointer)>;
      static_assert(std::same_as<typename Traits::Class, Declaring>,
                    "epic: params(method, …) must be in the EPIC_ENTITY of the class that declares the method");
      static_assert(count == std::tuple_size_v<typename Traits::Arguments>,
                    "epic: params(method, …) must name every parameter of the method, each exactly once");
    }
    named_methods_.push_back(method);
    return std::move(*this);
  }
  EntityBuilder&& class_exclusive() && {
    info_.class_exclusive = true;
    return std::move(*this);
  }
  EntityBuilder&& renamed(std::string_view old_name, std::string_view new_name) && {
    renames_.emplace_back(old_name, new_name);
    return std::move(*this);
  }
  template <class... Former>
  EntityBuilder&& named(std::string_view name, const Former&... former) && {
    info_.type_name = name;
    (info_.former_names.push_back(former.name), ...);
    return std::move(*this);
  }
  EntityBuilder&& together(std::string_view group) && {
    static_assert(
        !T::epic_is_local,
        "epic: a class with local(n) has no shards, as its calls run on the nodes of their callers: leave out "
        "together(...)");
    info_.group = group.substr(group.find_last_of(": ") + 1);  // npos + 1 is 0
    return std::move(*this);
  }
  EntityBuilder&& durability(reflect::Durability mode) && {
    info_.durability = mode;
    return std::move(*this);
  }
  template <class Rep, class Period>
  EntityBuilder&& durability(reflect::Durability mode, std::chrono::duration<Rep, Period> interval) && {
    info_.save_interval = saturated_ns(interval);
    return std::move(*this).durability(mode);
  }
  template <auto max>
  EntityBuilder&& local() && {
    static_assert(max >= 1 && max <= reflect::kLocalInstancesMax,
                  "epic: local(n) takes the number of instances that a key may have on each node: from 1 to 256");
    info_.local_max = static_cast<std::uint32_t>(max);
    return std::move(*this);
  }
  reflect::EntityInfo build() && {
    info_.former_field_names.resize(info_.state_fields.size());
    for (const std::string_view method : named_methods_)
      if (info_.find_method(method) == nullptr) info_.unlisted_params.push_back(method);
    for (const auto& [old_name, new_name] : renames_) apply_rename(old_name, new_name);
    info_.state = {.kind = reflect::Kind::record, .name = info_.type_name, .size_bytes = sizeof(T)};
    return std::move(info_);
  }

 private:
  void apply_rename(std::string_view old_name, std::string_view new_name) {
    bool is_listed = false;
    for (std::size_t i = 0; i < info_.state_fields.size(); ++i) {
      if (info_.state_fields[i].name != new_name) continue;
      info_.former_field_names[i].push_back(old_name);
      is_listed = true;
    }
    for (const reflect::MethodInfo* method : info_.methods) {
      if (method->name != new_name) continue;
      info_.former_methods.push_back({old_name, method});
      is_listed = true;
    }
    if (!is_listed) info_.unlisted_renames.push_back(new_name);
  }

  reflect::EntityInfo info_;
  std::vector<std::pair<std::string_view, std::string_view>> renames_;  // old, new
  std::vector<std::string_view> named_methods_;                         // methods with params(…)
};

struct FormerName {
  std::string_view name;
};
constexpr FormerName formerly(std::string_view name) { return {name}; }

/// The only table of T. `state.fields` points into it, so it is completed in place.
template <class T>
const reflect::EntityInfo& entity_info() {
  struct Holder {
    reflect::EntityInfo info = T::template epic_describe<T>(EntityBuilder<T>(T::epic_declared_name())).build();
    Holder() {
      for (std::size_t i = 0; i < info.state_fields.size(); ++i)
        info.state_fields[i].former_names = info.former_field_names[i];
      info.state.fields = info.state_fields;
      reflect::entity_info_of<T> = &info;
    }
  };
  static const Holder holder;
  return holder.info;
}

}  // namespace epic::detail

// ---- preprocessor: apply a macro to each argument, twice nestable ----
#define EPIC_EAT(...)
#define EPIC_PARENS ()
#define EPIC_X1(...) EPIC_X2(EPIC_X2(EPIC_X2(EPIC_X2(__VA_ARGS__))))
#define EPIC_X2(...) EPIC_X3(EPIC_X3(EPIC_X3(EPIC_X3(__VA_ARGS__))))
#define EPIC_X3(...) EPIC_X4(EPIC_X4(EPIC_X4(EPIC_X4(__VA_ARGS__))))
#define EPIC_X4(...) __VA_ARGS__
#define EPIC_EACH(macro, ...) __VA_OPT__(EPIC_X1(EPIC_EACH_STEP(macro, __VA_ARGS__)))
#define EPIC_EACH_STEP(macro, first, ...) macro(first) __VA_OPT__(EPIC_EACH_AGAIN EPIC_PARENS(macro, __VA_ARGS__))
#define EPIC_EACH_AGAIN() EPIC_EACH_STEP
#define EPIC_Y1(...) EPIC_Y2(EPIC_Y2(EPIC_Y2(EPIC_Y2(__VA_ARGS__))))
#define EPIC_Y2(...) EPIC_Y3(EPIC_Y3(EPIC_Y3(EPIC_Y3(__VA_ARGS__))))
#define EPIC_Y3(...) __VA_ARGS__
#define EPIC_SECTIONS(macro, ...) __VA_OPT__(EPIC_Y1(EPIC_SECTIONS_STEP(macro, __VA_ARGS__)))
#define EPIC_SECTIONS_STEP(macro, first, ...) \
  macro(first) __VA_OPT__(EPIC_SECTIONS_AGAIN EPIC_PARENS(macro, __VA_ARGS__))
#define EPIC_SECTIONS_AGAIN() EPIC_SECTIONS_STEP

// ---- pass 0: is there such a section? ----
#define EPIC_K(section)                                                                                        \
  static_assert(                                                                                               \
      EPIC_BASE_PROXY(EPIC_K_##section(), false, ~),                                                           \
      "epic: EPIC_ENTITY has no such section: " #section                                                       \
      ". The sections are base(Class), state(members...), methods(names...), exclusive or "                    \
      "exclusive(names...), params(method, names...), renamed(old, new), named(\"Name\", formerly(\"Old\")), " \
      "together(Class), gated, interval(5s), transient and local(8)");
#define EPIC_K_base(...) ~, true EPIC_EAT
#define EPIC_K_state(...) ~, true EPIC_EAT
#define EPIC_K_methods(...) ~, true EPIC_EAT
#define EPIC_K_exclusive(...) ~, true __VA_OPT__(EPIC_EAT)
#define EPIC_K_params(...) ~, true EPIC_EAT
#define EPIC_K_renamed(...) ~, true EPIC_EAT
#define EPIC_K_named(...) ~, true EPIC_EAT
#define EPIC_K_together(Group) ~, true EPIC_EAT
#define EPIC_K_interval(...) ~, true EPIC_EAT
#define EPIC_K_gated() ~, true
#define EPIC_K_transient() ~, true
#define EPIC_K_local(...) ~, true EPIC_EAT

// ---- is the class local? ----
#define EPIC_L(section) EPIC_L_##section()
#define EPIC_L_base(Base) || Base::epic_is_local EPIC_EAT
#define EPIC_L_state(...) EPIC_EAT
#define EPIC_L_methods(...) EPIC_EAT
#define EPIC_L_exclusive(...) __VA_OPT__(EPIC_EAT)
#define EPIC_L_params(...) EPIC_EAT
#define EPIC_L_renamed(...) EPIC_EAT
#define EPIC_L_named(...) EPIC_EAT
#define EPIC_L_together(...) EPIC_EAT
#define EPIC_L_interval(...) EPIC_EAT
#define EPIC_L_gated()
#define EPIC_L_transient()
#define EPIC_L_local(...) || true EPIC_EAT

// ---- pass 1: the base ----
#define EPIC_B(section) EPIC_B_##section()
#define EPIC_B_base(Base) , Base EPIC_EAT
#define EPIC_B_state(...) EPIC_EAT
#define EPIC_B_methods(...) EPIC_EAT
#define EPIC_B_exclusive(...) __VA_OPT__(EPIC_EAT)
#define EPIC_B_params(...) EPIC_EAT
#define EPIC_B_renamed(...) EPIC_EAT
#define EPIC_B_named(...) EPIC_EAT
#define EPIC_B_together(...) EPIC_EAT
#define EPIC_B_interval(...) EPIC_EAT
#define EPIC_B_gated()
#define EPIC_B_transient()
#define EPIC_B_local(...) EPIC_EAT

// ---- pass 2: members of the proxy ----
#define EPIC_P(section) EPIC_P_##section()
#define EPIC_P_base(...) EPIC_EAT
#define EPIC_P_state(...) EPIC_EAT
#define EPIC_P_methods(...) EPIC_EACH(EPIC_P_METHOD, __VA_ARGS__) EPIC_EAT
#define EPIC_P_exclusive(...) __VA_OPT__(EPIC_EACH(EPIC_P_EXCLUSIVE, __VA_ARGS__) EPIC_EAT)
#define EPIC_P_params(...) EPIC_EAT
#define EPIC_P_renamed(...) EPIC_EAT
#define EPIC_P_named(...) EPIC_EAT
#define EPIC_P_together(...) EPIC_EAT
#define EPIC_P_interval(...) EPIC_EAT
#define EPIC_P_gated()
#define EPIC_P_transient()
#define EPIC_P_local(...) EPIC_EAT
#define EPIC_P_METHOD(method) EPIC_P_MEMBER(method, none)
#define EPIC_P_EXCLUSIVE(method) EPIC_P_MEMBER(method, exclusive)
#define EPIC_P_MEMBER(method, locking) \
  ::epic::detail::Method<EPIC_ONE(method), ::epic::reflect::Locking::locking> method;
// &EpicSelf::method, or Overloaded if it is overloaded, so that the builder can report that.
#define EPIC_ONE(method)                                                       \
  ::epic::detail::one_method<EpicSelf>([]<class EpicT>(EpicT*)                 \
                                         requires requires { &EpicT::method; } \
                                       { return &EpicT::method; })

// ---- … and of the one for Ref::cached ----
#define EPIC_C(section) EPIC_C_##section()
#define EPIC_C_base(...) EPIC_EAT
#define EPIC_C_state(...) EPIC_EAT
#define EPIC_C_methods(...) EPIC_EACH(EPIC_C_MEMBER, __VA_ARGS__) EPIC_EAT
#define EPIC_C_exclusive(...) __VA_OPT__(EPIC_EACH(EPIC_C_MEMBER, __VA_ARGS__) EPIC_EAT)
#define EPIC_C_params(...) EPIC_EAT
#define EPIC_C_renamed(...) EPIC_EAT
#define EPIC_C_named(...) EPIC_EAT
#define EPIC_C_together(...) EPIC_EAT
#define EPIC_C_interval(...) EPIC_EAT
#define EPIC_C_gated()
#define EPIC_C_transient()
#define EPIC_C_local(...) EPIC_EAT
#define EPIC_C_MEMBER(method) ::epic::detail::CachedMethod<decltype(EpicListed::method)> method;

// ---- pass 3: the names of parameters ----
#define EPIC_N(section) EPIC_N_##section()
#define EPIC_N_base(...) EPIC_EAT
#define EPIC_N_state(...) EPIC_EAT
#define EPIC_N_methods(...) EPIC_EAT
#define EPIC_N_exclusive(...) __VA_OPT__(EPIC_EAT)
#define EPIC_N_params(method, ...)                                                         \
  if (epic_method == #method) {                                                            \
    static constexpr std::string_view kNames[] = {EPIC_EACH(EPIC_QUOTED, __VA_ARGS__) ""}; \
    return {kNames, std::size(kNames) - 1};                                                \
  }                                                                                        \
  EPIC_EAT
#define EPIC_N_renamed(...) EPIC_EAT
#define EPIC_N_named(...) EPIC_EAT
#define EPIC_N_together(...) EPIC_EAT
#define EPIC_N_interval(...) EPIC_EAT
#define EPIC_N_gated()
#define EPIC_N_transient()
#define EPIC_N_local(...) EPIC_EAT
#define EPIC_QUOTED(name) #name,

// ---- pass 4: calls on the builder ----
#define EPIC_D(section) EPIC_D_##section()
#define EPIC_D_base(Base) .template base<Base>() EPIC_EAT
#define EPIC_D_state(...) EPIC_EACH(EPIC_D_STATE, __VA_ARGS__) EPIC_EAT
#define EPIC_D_methods(...) EPIC_EACH(EPIC_D_METHOD, __VA_ARGS__) EPIC_EAT
#define EPIC_D_exclusive(...) EPIC_D_EXCLUSIVE##__VA_OPT__(_SOME)(__VA_ARGS__)
#define EPIC_D_EXCLUSIVE() .class_exclusive()
#define EPIC_D_EXCLUSIVE_SOME(...) EPIC_EACH(EPIC_D_EXCLUSIVE_METHOD, __VA_ARGS__) EPIC_EAT
#define EPIC_D_params(method, ...)                                                                                     \
  .template params<EpicSelf, EPIC_ONE(method), ::epic::detail::count_names({EPIC_EACH(EPIC_QUOTED, __VA_ARGS__) ""})>( \
      #method) EPIC_EAT
#define EPIC_D_renamed(from, to) .renamed(#from, #to) EPIC_EAT
#define EPIC_D_named(...) .named(__VA_ARGS__) EPIC_EAT
#define EPIC_D_together(Group) .together(#Group) EPIC_EAT
#define EPIC_D_interval(...) .durability(::epic::reflect::Durability::interval, __VA_ARGS__) EPIC_EAT
#define EPIC_D_gated() .durability(::epic::reflect::Durability::gated)
#define EPIC_D_transient() .durability(::epic::reflect::Durability::transient)
#define EPIC_D_local(max) .template local<(max)>() EPIC_EAT
#define EPIC_D_STATE(member) .template state<&EpicSelf::member>(#member)
#define EPIC_D_METHOD(name) .template method<EPIC_ONE(name), ::epic::reflect::Locking::none>()
#define EPIC_D_EXCLUSIVE_METHOD(name) .template method<EPIC_ONE(name), ::epic::reflect::Locking::exclusive>()

#define EPIC_SECOND(first, second, ...) second
#define EPIC_BASE_PROXY(...) EPIC_SECOND(__VA_ARGS__)

/// See the top of this file.
#define EPIC_ENTITY(Type, ...)                                                                                        \
 public:                                                                                                              \
  EPIC_SECTIONS(EPIC_K, __VA_ARGS__)                                                                                  \
  using EpicSelf = Type;                                                                                              \
  [[maybe_unused]] static constexpr bool epic_is_local = false EPIC_SECTIONS(EPIC_L, __VA_ARGS__);                    \
  /* Its name is in the compiler's message for a call of a method that is not listed. */                              \
  struct MethodsListedInEpicEntity : EPIC_EXPAND_BASE(EPIC_SECTIONS(EPIC_B, __VA_ARGS__))::EpicProxy {                \
    explicit MethodsListedInEpicEntity(const ::epic::detail::Target& target)                                          \
        : EPIC_EXPAND_BASE(EPIC_SECTIONS(EPIC_B, __VA_ARGS__))::EpicProxy(target), epic_target{&target} {}            \
    union {                                                                                                           \
      ::epic::detail::ProxyHead epic_target;                                                                          \
      EPIC_SECTIONS(EPIC_P, __VA_ARGS__)                                                                              \
    };                                                                                                                \
  };                                                                                                                  \
  using EpicProxy = MethodsListedInEpicEntity;                                                                        \
  /* A template, so that it costs nothing where it is not used. */                                                    \
  template <class EpicListed>                                                                                         \
  struct CachedMethodsListedInEpicEntity : EPIC_EXPAND_BASE(EPIC_SECTIONS(EPIC_B, __VA_ARGS__))::EpicCachedProxy {    \
    explicit CachedMethodsListedInEpicEntity(const ::epic::detail::Target& target)                                    \
        : EPIC_EXPAND_BASE(EPIC_SECTIONS(EPIC_B, __VA_ARGS__))::EpicCachedProxy(target), epic_target{&target} {}      \
    union {                                                                                                           \
      ::epic::detail::ProxyHead epic_target;                                                                          \
      EPIC_SECTIONS(EPIC_C, __VA_ARGS__)                                                                              \
    };                                                                                                                \
  };                                                                                                                  \
  using EpicCachedProxy = CachedMethodsListedInEpicEntity<MethodsListedInEpicEntity>;                                 \
  static constexpr std::string_view epic_declared_name() { return #Type; }                                            \
  static std::string_view epic_type_name() { return epic_info().stored_name(); }                                      \
  static const ::epic::reflect::EntityInfo& epic_info() { return ::epic::detail::entity_info<Type>(); }               \
  static std::span<const std::string_view> epic_parameter_names([[maybe_unused]] std::string_view epic_method) {      \
    EPIC_SECTIONS(EPIC_N, __VA_ARGS__) return {};                                                                     \
  }                                                                                                                   \
  template <class EpicMost>                                                                                           \
  static ::epic::detail::EntityBuilder<EpicMost>&& epic_describe(::epic::detail::EntityBuilder<EpicMost>&& builder) { \
    using namespace std::chrono_literals;                                                                             \
    using ::epic::detail::formerly;                                                                                   \
    return std::move(builder) EPIC_SECTIONS(EPIC_D, __VA_ARGS__);                                                     \
  }                                                                                                                   \
                                                                                                                      \
 protected:                                                                                                           \
  ::epic::Ref<Type> self() const { return ::epic::detail::RefAccess::make<Type>(epic_name_); }

#define EPIC_EXPAND_BASE(...) EPIC_BASE_PROXY(~__VA_ARGS__, ::epic::detail::NoBase, ~)

/// Former names of a described struct's members, right after BOOST_DESCRIBE_STRUCT:
///   EPIC_RENAMED(Position, (col, column), (row, line))
/// State saved when `column` was still called `col` can then be read.
#define EPIC_RENAMED(Type, ...)                                   \
  [[maybe_unused]] constexpr auto epic_renames(const Type*) {     \
    return std::array{EPIC_EACH(EPIC_RENAMED_PAIR, __VA_ARGS__)}; \
  }
#define EPIC_RENAMED_PAIR(pair) EPIC_RENAMED_ENTRY pair
#define EPIC_RENAMED_ENTRY(from, to) ::epic::reflect::Rename{#from, #to},

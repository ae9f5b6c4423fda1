#pragma once
// Values: how a C++ type becomes a TypeInfo.
//
// The set is deliberately closed: numbers, bool, enums, text, bytes, optional, variant, sequences, maps, pair, tuple,
// chrono types, Ref<T>, and structs described with Boost.Describe. Any other type is refused at compile time, in the
// user's terms. type_of<T>() is the only entry point.
//
// Not here: what a table means (type_info.hpp).

#include <array>
#include <bit>
#include <boost/describe/bases.hpp>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/describe/modifiers.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>
#include <chrono>
#include <concepts>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>

#include "epic/type_info.hpp"

namespace epic::reflect {

template <class T>
const TypeInfo& type_of();

/// A member `to` of a described struct that older snapshots call `from`; EPIC_RENAMED.
struct Rename {
  std::string_view from;
  std::string_view to;
};

namespace detail {

template <class T, template <class...> class Template>
inline constexpr bool is_instance = false;
template <class... Args, template <class...> class Template>
inline constexpr bool is_instance<Template<Args...>, Template> = true;

template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t N>
inline constexpr bool is_array<std::array<T, N>> = true;

template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

template <class T>
inline constexpr bool is_system_time = false;
template <class Duration>
inline constexpr bool is_system_time<std::chrono::time_point<std::chrono::system_clock, Duration>> = true;

template <class T>
concept Bytelike = std::same_as<T, Bytes>;
template <class T>
concept Set = is_instance<T, std::set> || is_instance<T, std::unordered_set>;
template <class T>
concept Appendable =
    (is_instance<T, std::vector> || is_instance<T, std::deque> || is_instance<T, std::list>) && !Bytelike<T>;
template <class T>
concept Map = is_instance<T, std::map> || is_instance<T, std::unordered_map>;
template <class T>
concept Tuple = is_instance<T, std::tuple> || is_instance<T, std::pair>;
template <class T>
concept RefLike = requires { typename T::EpicRefTag; };
/// A number with a type of its own, which is all that it holds: codecs read and write the number.
template <class T>
concept NumberLike = requires { typename T::EpicNumber; } && sizeof(T) == sizeof(typename T::EpicNumber);
template <class T>
concept DescribedStruct = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;

template <class T>
concept Supported =
    std::is_arithmetic_v<T> || std::is_enum_v<T> || std::same_as<T, std::string> || Bytelike<T> || is_duration<T> ||
    is_system_time<T> || RefLike<T> || is_instance<T, std::optional> || is_instance<T, std::variant> || Set<T> ||
    Appendable<T> || is_array<T> || Map<T> || Tuple<T> || NumberLike<T> || DescribedStruct<T>;

/// The qualified name of T, taken from the compiler's own text for this function.
template <class T>
constexpr std::string_view name_of() {
  constexpr std::string_view text = __PRETTY_FUNCTION__;
  constexpr std::size_t begin = text.find("T = ") + 4;
  return text.substr(begin, text.rfind(']') - begin);
}

template <class T>
constexpr Kind number_kind() {
  if constexpr (std::same_as<T, bool>)
    return Kind::boolean;
  else if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? Kind::float32 : Kind::float64;
  else if constexpr (std::is_signed_v<T>)
    return sizeof(T) == 1 ? Kind::int8 : sizeof(T) == 2 ? Kind::int16 : sizeof(T) == 4 ? Kind::int32 : Kind::int64;
  else
    return sizeof(T) == 1 ? Kind::uint8 : sizeof(T) == 2 ? Kind::uint16 : sizeof(T) == 4 ? Kind::uint32 : Kind::uint64;
}

template <class T>
constexpr TypeInfo basic(Kind kind, std::string_view name) {
  return TypeInfo{.kind = kind, .name = name, .size_bytes = sizeof(T)};
}

template <class T>
const T& as(const void* object) {
  return *static_cast<const T*>(object);
}
template <class T>
T& as(void* object) {
  return *static_cast<T*>(object);
}

/// An enum without a fixed underlying type holds only as many bits as its largest enumerator.
template <class T>
bool set_enumeration(void* o, std::int64_t value) {
  using Number = std::underlying_type_t<T>;
  if constexpr (requires { T{Number{}}; }) {
    if (sizeof(Number) < sizeof(value) && !std::in_range<Number>(value)) return false;
  } else {
    std::int64_t lowest = 0;
    std::uint64_t bits = 1;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto d) {
      const auto number = static_cast<std::int64_t>(d.value);
      if (number < lowest) lowest = number;
      bits |= static_cast<std::uint64_t>(number < 0 ? ~number : number);
    });
    for (int shift = 1; shift < 64; shift *= 2) bits |= bits >> shift;
    const auto magnitude = static_cast<std::uint64_t>(value < 0 ? ~value : value);
    if (magnitude > bits || (value < 0 && lowest >= 0)) return false;
  }
  as<T>(o) = static_cast<T>(value);
  return true;
}

template <class T>
TypeInfo make_enumeration() {
  static_assert(boost::describe::has_describe_enumerators<T>::value,
                "epic: describe this enum with BOOST_DESCRIBE_ENUM(Type, values...), so that it is saved by name");
  TypeInfo info = basic<T>(Kind::enumeration, name_of<T>());
  if constexpr (boost::describe::has_describe_enumerators<T>::value) {
    using Described = boost::describe::describe_enumerators<T>;
    static const auto enumerators = []<class... D>(boost::mp11::mp_list<D...>) {
      return std::array<EnumeratorInfo, sizeof...(D)>{EnumeratorInfo{D::name, static_cast<std::int64_t>(D::value)}...};
    }(boost::mp11::mp_rename<Described, boost::mp11::mp_list>{});
    info.enumeration = {.enumerators = enumerators,
                        .get = [](const void* o) { return static_cast<std::int64_t>(as<T>(o)); },
                        .set = &set_enumeration<T>};
  }
  return info;
}

/// The kind in which codecs carry a counter: the widest of its family.
template <class Rep>
constexpr Kind count_kind() {
  static_assert(std::is_arithmetic_v<Rep> && sizeof(Rep) <= 8,
                "epic: a duration or time must count with an integer or floating type of at most 64 bits");
  if constexpr (std::is_floating_point_v<Rep>)
    return Kind::float64;
  else
    return std::is_unsigned_v<Rep> && sizeof(Rep) == 8 ? Kind::uint64 : Kind::int64;
}

template <class Rep>
constexpr std::uint64_t count_bits(Rep count) {
  if constexpr (std::is_floating_point_v<Rep>)
    return std::bit_cast<std::uint64_t>(static_cast<double>(count));
  else
    return static_cast<std::uint64_t>(count);
}

template <class Rep>
constexpr Rep count_from_bits(std::uint64_t bits) {
  if constexpr (std::is_floating_point_v<Rep>)
    return static_cast<Rep>(std::bit_cast<double>(bits));
  else
    return static_cast<Rep>(bits);
}

template <class T>
TypeInfo make_time(Kind kind, std::string_view name) {
  using Duration = decltype([] {
    if constexpr (is_duration<T>)
      return T{};
    else
      return typename T::duration{};
  }());
  using Rep = typename Duration::rep;
  TypeInfo info = basic<T>(kind, name);
  info.time = {.unit = {Duration::period::num, Duration::period::den, count_kind<Rep>()},
               .min = count_bits(Duration::min().count()),
               .max = count_bits(Duration::max().count()),
               .get =
                   [](const void* o) {
                     if constexpr (is_duration<T>)
                       return count_bits(as<T>(o).count());
                     else
                       return count_bits(as<T>(o).time_since_epoch().count());
                   },
               .set = [](void* o, std::uint64_t bits) { as<T>(o) = T(Duration(count_from_bits<Rep>(bits))); }};
  return info;
}

template <class T>
TypeInfo make_ref() {
  TypeInfo info = basic<T>(Kind::ref, "ref");
  info.ref = {.get = [](const void* o) { return as<T>(o).name(); },
              .set = [](void* o, std::string_view name) { return as<T>(o).try_assign_name(name); },
              .target = []() -> const EntityInfo* { return entity_info_of<typename T::EpicRefTag>; }};
  return info;
}

template <class T>
TypeInfo make_optional() {
  TypeInfo info = basic<T>(Kind::optional, "optional");
  info.optional = {.element = &type_of<typename T::value_type>,
                   .get = [](const void* o) -> const void* { return as<T>(o) ? &*as<T>(o) : nullptr; },
                   .emplace = [](void* o) -> void* { return &as<T>(o).emplace(); },
                   .reset = [](void* o) { as<T>(o).reset(); }};
  return info;
}

template <class T>
struct VariantMaker;
template <class... A>
struct VariantMaker<std::variant<A...>> {
  using T = std::variant<A...>;
  static constexpr TypeFn kAlternatives[] = {&type_of<A>...};
  template <std::size_t I>
  static void* emplace_as(void* o) {
    return &as<T>(o).template emplace<I>();
  }
  static void* emplace(void* o, std::size_t index) {
    static constexpr auto makers = []<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<void* (*)(void*), sizeof...(I)>{&emplace_as<I>...};
    }(std::index_sequence_for<A...>{});
    return makers[index](o);
  }
  static TypeInfo make() {
    TypeInfo info = basic<T>(Kind::variant, "variant");
    info.variant = {.alternatives = kAlternatives,
                    .index = [](const void* o) { return as<T>(o).index(); },
                    .get = [](const void* o) -> const void* {
                      return std::visit([](const auto& value) -> const void* { return &value; }, as<T>(o));
                    },
                    .emplace = &emplace};
    return info;
  }
};

template <class T>
bool assign_sequence(void* o, std::size_t count, FunctionRef<bool(void*)> read) {
  auto& out = as<T>(o);
  if constexpr (is_array<T>) {
    for (std::size_t i = 0; i < count && i < out.size(); ++i)
      if (!read(&out[i])) return false;
  } else {
    out.clear();
    if constexpr (requires { out.reserve(count); }) out.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      if constexpr (Set<T> || std::same_as<T, std::vector<bool>>) {
        typename T::value_type element{};
        if (!read(&element)) return false;
        out.insert(out.end(), std::move(element));
      } else {
        if (!read(&out.emplace_back())) return false;
      }
    }
  }
  return true;
}

template <class T>
TypeInfo make_sequence() {
  TypeInfo info = basic<T>(Kind::sequence, "sequence");
  std::size_t fixed_count = 0;
  if constexpr (is_array<T>) fixed_count = std::tuple_size_v<T>;
  info.sequence = {.element = &type_of<typename T::value_type>,
                   .fixed_count = fixed_count,
                   .size = [](const void* o) { return as<T>(o).size(); },
                   .for_each =
                       [](const void* o, FunctionRef<void(const void*)> visit) {
                         for (const typename T::value_type& element : as<T>(o)) visit(&element);
                       },
                   .assign = &assign_sequence<T>,
                   .is_set = Set<T>,
                   .is_unordered = is_instance<T, std::unordered_set>};
  return info;
}

template <class T>
bool assign_map(void* o, std::size_t count, FunctionRef<bool(void*, void*)> read) {
  auto& out = as<T>(o);
  out.clear();
  for (std::size_t i = 0; i < count; ++i) {
    typename T::key_type key{};
    typename T::mapped_type value{};
    if (!read(&key, &value)) return false;
    out.insert_or_assign(std::move(key), std::move(value));
  }
  return true;
}

template <class T>
TypeInfo make_map() {
  TypeInfo info = basic<T>(Kind::map, "map");
  info.map = {.key = &type_of<typename T::key_type>,
              .value = &type_of<typename T::mapped_type>,
              .size = [](const void* o) { return as<T>(o).size(); },
              .for_each =
                  [](const void* o, FunctionRef<void(const void*, const void*)> visit) {
                    for (const auto& [key, value] : as<T>(o)) visit(&key, &value);
                  },
              .assign = &assign_map<T>,
              .is_unordered = is_instance<T, std::unordered_map>};
  return info;
}

template <class T>
TypeInfo make_tuple() {
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
TypeInfo make_record() {
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

template <class T>
TypeInfo make() {
  static_assert(std::is_enum_v<T> || !std::is_class_v<T> || Supported<T>,
                "epic: this class cannot be an argument, a result or state. If it is your own struct, describe it with "
                "BOOST_DESCRIBE_STRUCT(Type, (), (members...)) right after its definition");
  static_assert(
      Supported<T> || std::is_class_v<T>,
      "epic: this type cannot be an argument, a result or state. Use numbers, bool, enums, std::string, epic::Bytes, "
      "optional, variant, vector, array, map, set, pair, tuple, chrono types, epic::Ref, or described structs; no "
      "pointers and no references");
  if constexpr (Supported<T>)
    static_assert(std::default_initializable<T>,
                  "epic: a value needs a default constructor, so that it can be decoded in place");
  if constexpr (!Supported<T>)
    return TypeInfo{};
  else if constexpr (std::same_as<T, bool>)
    return basic<T>(Kind::boolean, "bool");
  else if constexpr (std::is_arithmetic_v<T>) {
    static_assert(sizeof(T) <= 8, "epic: long double cannot be saved portably; use double");
    return basic<T>(number_kind<T>(), name_of<T>());
  } else if constexpr (NumberLike<T>)
    return basic<T>(number_kind<typename T::EpicNumber>(), name_of<typename T::EpicNumber>());
  else if constexpr (std::is_enum_v<T>)
    return make_enumeration<T>();
  else if constexpr (std::same_as<T, std::string>)
    return basic<T>(Kind::text, "text");
  else if constexpr (Bytelike<T>)
    return basic<T>(Kind::bytes, "bytes");
  else if constexpr (is_duration<T>)
    return make_time<T>(Kind::duration, "duration");
  else if constexpr (is_system_time<T>)
    return make_time<T>(Kind::time_point, "time");
  else if constexpr (RefLike<T>)
    return make_ref<T>();
  else if constexpr (is_instance<T, std::optional>)
    return make_optional<T>();
  else if constexpr (is_instance<T, std::variant>)
    return VariantMaker<T>::make();
  else if constexpr (Map<T>)
    return make_map<T>();
  else if constexpr (Tuple<T>)
    return make_tuple<T>();
  else if constexpr (DescribedStruct<T>)
    return make_record<T>();
  else
    return make_sequence<T>();
}

}  // namespace detail

/// The table of T: made on first use, and the same object from then on.
template <class T>
const TypeInfo& type_of() {
  static const TypeInfo info = detail::make<T>();
  return info;
}

}  // namespace epic::reflect

#pragma once
// Ref: a value that names an entity and forwards calls to it.
//
// `co_await barrel->on_hit()` is a call: operator-> returns the class's proxy, which has one member per method with
// that method's parameter types. A Ref does not need its class complete until a call is made, so two classes can refer
// to each other. Copying a Ref copies a counted pointer to the name. The name also caches the kernel's shortcut to the
// activation; an outdated shortcut costs one ordinary lookup.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "epic/durations.hpp"
#include "epic/type_info.hpp"

namespace epic {
namespace detail {

/// "Type/Key" with the class's stored name, reference-counted, in one block of memory with its text. The text never
/// changes; the shortcut belongs to the kernel of the thread that last called. A name made by an entity's code stays on
/// its node's execution thread, so it is counted without atomic read-modify-write; one made elsewhere (a client's
/// threads, a global) needs it.
struct EntityName {
  std::atomic<std::uint32_t> refs{1};
  std::uint16_t type_length = 0;
  bool is_local = false;
  std::uint32_t kernel_tag = 0;  // shortcut: kernel, slot, and generation of the slot
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::string_view text;  // follows this object in memory

  [[nodiscard]] std::string_view type() const { return text.substr(0, type_length); }
  [[nodiscard]] std::string_view key() const { return text.substr(type_length + 1); }
};

inline void add_count(EntityName& name) noexcept {
  if (name.is_local)
    name.refs.store(name.refs.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  else
    name.refs.fetch_add(1, std::memory_order_relaxed);
}
/// True if that was the last reference.
inline bool drop_count(EntityName& name) noexcept {
  if (!name.is_local) return name.refs.fetch_sub(1, std::memory_order_acq_rel) == 1;
  const std::uint32_t left = name.refs.load(std::memory_order_relaxed) - 1;
  name.refs.store(left, std::memory_order_relaxed);
  return left == 0;
}

/// Owns one reference to a name.
class NamePtr {
 public:
  NamePtr() = default;
  explicit NamePtr(EntityName* adopted) noexcept : name_(adopted) {}
  NamePtr(const NamePtr& other) noexcept : name_(other.name_) {
    if (name_ != nullptr) add_count(*name_);
  }
  NamePtr(NamePtr&& other) noexcept : name_(std::exchange(other.name_, nullptr)) {}
  NamePtr& operator=(NamePtr other) noexcept {
    std::swap(name_, other.name_);
    return *this;
  }
  ~NamePtr() {
    if (name_ != nullptr && drop_count(*name_)) ::operator delete(name_);
  }
  [[nodiscard]] EntityName* get() const { return name_; }
  EntityName* operator->() const { return name_; }
  EntityName& operator*() const { return *name_; }
  explicit operator bool() const { return name_ != nullptr; }

 private:
  EntityName* name_ = nullptr;
};

/// Makes a name. Throws std::invalid_argument if the key is empty or longer than the limit (limits.hpp).
NamePtr make_name(std::string_view type, std::string_view key);
/// Splits "Type/Key"; null if the text has another form.
NamePtr parse_name(std::string_view text);
/// The same; on a node also null if the text names an entity that is not of class `expected` (null: of any).
NamePtr parse_name(std::string_view text, const reflect::EntityInfo* expected);

/// What a proxy calls: the entity, how long the caller waits (zero: the fabric's default), and how old a copy may be
/// that answers instead (cached.hpp).
struct Target {
  const NamePtr* name;
  std::chrono::nanoseconds timeout{0};
  std::chrono::nanoseconds max_age{0};
};

/// First member of a proxy's union; every method member starts with the same layout.
struct ProxyHead {
  const Target* target;
};

/// Keeps the proxy alive for the duration of the call expression.
template <class Proxy>
struct ProxyHolder {
  Target target;
  Proxy proxy{target};
  explicit ProxyHolder(const Target& of) : target(of) {}
  ProxyHolder(const ProxyHolder&) = delete;
  ProxyHolder& operator=(const ProxyHolder&) = delete;
  const Proxy* operator->() const { return &proxy; }
};

struct RefAccess;

}  // namespace detail

template <class T>
class Ref;

/// A Ref whose calls copies may answer: `co_await shop.cached(1s)->get_prices()`. See cached.hpp.
template <class T>
class RefCached {
 public:
  RefCached(detail::NamePtr name, std::chrono::nanoseconds timeout, std::chrono::nanoseconds max_age)
      : name_(std::move(name)), timeout_(timeout), max_age_(max_age) {}
  auto operator->() const {
    return detail::ProxyHolder<typename T::EpicCachedProxy>(detail::Target{&name_, timeout_, max_age_});
  }

 private:
  detail::NamePtr name_;
  std::chrono::nanoseconds timeout_;
  std::chrono::nanoseconds max_age_;
};

/// A Ref with its own deadline, for one call: `co_await player.with(2s)->enter_level(…)`.
template <class T>
class RefWith {
 public:
  RefWith(const Ref<T>& ref, std::chrono::nanoseconds timeout) : name_(ref.epic_name()), timeout_(timeout) {}
  auto operator->() const { return detail::ProxyHolder<typename T::EpicProxy>(detail::Target{&name_, timeout_}); }
  /// As Ref::cached; if no copy answers, the call has the deadline.
  template <class Rep, class Period>
    requires std::is_convertible_v<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
  [[nodiscard]] RefCached<T> cached(std::chrono::duration<Rep, Period> max_age) const {
    return RefCached<T>(name_, timeout_, detail::saturated_ns(max_age));
  }

 private:
  detail::NamePtr name_;
  std::chrono::nanoseconds timeout_;
};

template <class T>
class Ref {
 public:
  using EpicRefTag = T;

  /// Names no entity; a call on it throws std::logic_error.
  Ref() = default;
  /// The entity of class T with this key. An integer key stands for its decimal text.
  explicit Ref(std::string_view key) : name_(detail::make_name(T::epic_type_name(), key)) {}
  explicit Ref(const char* key) : Ref(std::string_view(key)) {}
  explicit Ref(std::integral auto key) : Ref(std::string_view(std::to_string(key))) {}

  auto operator->() const { return detail::ProxyHolder<typename T::EpicProxy>(detail::Target{&name_}); }
  /// The same entity, called with a deadline that counts from the start of the call. If nothing is left of `timeout`,
  /// the call ends in Timeout; more than 292 years are no deadline.
  template <class Rep, class Period>
    requires std::is_convertible_v<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
  [[nodiscard]] RefWith<T> with(std::chrono::duration<Rep, Period> timeout) const {
    return RefWith<T>(*this, std::max(detail::saturated_ns(timeout), std::chrono::nanoseconds(1)));
  }
  /// The same entity, whose const methods may be answered by this node's copy of an earlier result, if that is younger
  /// than `max_age`. See cached.hpp.
  template <class Rep, class Period>
    requires std::is_convertible_v<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
  [[nodiscard]] RefCached<T> cached(std::chrono::duration<Rep, Period> max_age) const {
    return RefCached<T>(name_, std::chrono::nanoseconds{0}, detail::saturated_ns(max_age));
  }

  /// "Type/Key"; empty for a Ref that names no entity. The type is the class's stored name (its oldest, if it was
  /// renamed), so that names written down earlier stay valid.
  [[nodiscard]] std::string_view name() const { return name_ ? name_->text : std::string_view(); }
  [[nodiscard]] std::string_view type() const { return name_ ? name_->type() : std::string_view(); }
  [[nodiscard]] std::string_view key() const { return name_ ? name_->key() : std::string_view(); }
  explicit operator bool() const { return static_cast<bool>(name_); }

  /// Names another entity. Returns false, without a change, if the text is not "Type/Key" with class T, or one derived
  /// from it by base(T). Empty text names no entity.
  bool try_assign_name(std::string_view text) {
    detail::NamePtr parsed;
    if (!text.empty() && !(parsed = detail::parse_name(text, reflect::entity_info_of<T>))) return false;
    name_ = std::move(parsed);
    return true;
  }
  [[nodiscard]] const detail::NamePtr& epic_name() const { return name_; }

  friend bool operator==(const Ref& left, const Ref& right) { return left.name() == right.name(); }
  friend auto operator<=>(const Ref& left, const Ref& right) { return left.name() <=> right.name(); }

 private:
  friend struct detail::RefAccess;
  explicit Ref(detail::NamePtr name) : name_(std::move(name)) {}

  detail::NamePtr name_;
};

namespace detail {
/// How the macro makes a Ref of an entity's own name. Of any other name a Ref is made only with its class: by key, or
/// checked by try_assign_name. So none names an entity of another class, and none can be saved.
struct RefAccess {
  template <class T>
  static Ref<T> make(NamePtr name) {
    return Ref<T>(std::move(name));
  }
};
}  // namespace detail

}  // namespace epic

template <class T>
struct std::hash<epic::Ref<T>> {
  std::size_t operator()(const epic::Ref<T>& ref) const noexcept { return std::hash<std::string_view>{}(ref.name()); }
};

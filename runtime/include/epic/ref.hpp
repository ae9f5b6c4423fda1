#pragma once
// Ref: a value that names an entity, and forwards calls to it.
//
// `co_await barrel->on_hit()` is a call: operator-> hands out the class's proxy, which has one member a method with the
// method's own parameter types. A Ref never needs its class complete until a call is made, so two classes can refer to
// each other. Copying a Ref copies a counted pointer to the name. The name carries the kernel's shortcut to the live
// instance; whoever holds an outdated one just takes the long way once.

#include <atomic>
#include <chrono>
#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace epic {
namespace detail {

/// "Type/Key", counted, with the type's stored name. The text never changes; the shortcut belongs to the kernel of the
/// thread that last called. A name made by an entity's code stays on its node's execution thread, as all that code
/// does, and is counted without a locked instruction; one made elsewhere (a client's threads, a global) is counted with
/// it.
struct EntityName {
  std::atomic<std::uint32_t> refs{1};
  bool is_local = false;
  std::uint32_t type_length = 0;
  std::string text;
  std::uint64_t kernel_tag = 0;  // shortcut: which kernel, which slot, which use of the slot
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;

  [[nodiscard]] std::string_view type() const { return std::string_view(text).substr(0, type_length); }
  [[nodiscard]] std::string_view key() const { return std::string_view(text).substr(type_length + 1); }
};

inline void add_count(EntityName& name) noexcept {
  if (name.is_local)
    name.refs.store(name.refs.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  else
    name.refs.fetch_add(1, std::memory_order_relaxed);
}
/// True when that was the last.
inline bool drop_count(EntityName& name) noexcept {
  if (!name.is_local) return name.refs.fetch_sub(1, std::memory_order_acq_rel) == 1;
  const std::uint32_t left = name.refs.load(std::memory_order_relaxed) - 1;
  name.refs.store(left, std::memory_order_relaxed);
  return left == 0;
}

/// Owner of one count.
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
    if (name_ != nullptr && drop_count(*name_)) delete name_;
  }
  [[nodiscard]] EntityName* get() const { return name_; }
  EntityName* operator->() const { return name_; }
  EntityName& operator*() const { return *name_; }
  explicit operator bool() const { return name_ != nullptr; }

 private:
  EntityName* name_ = nullptr;
};

/// Makes a name. Throws std::invalid_argument for an empty key, or a key over the bound (limits.hpp).
NamePtr make_name(std::string_view type, std::string_view key);
/// Takes "Type/Key" apart; null when it is not that.
NamePtr parse_name(std::string_view text);

/// What a proxy calls: the entity, and how long the caller will wait (zero: the fabric's default).
struct Target {
  const NamePtr* name;
  std::chrono::nanoseconds patience{0};
};

/// First member of the union that a proxy is; every method of it begins alike.
struct ProxyHead {
  const Target* target;
};

/// Keeps the proxy alive for the length of the call expression.
template <class T>
struct ProxyHolder {
  Target target;
  typename T::EpicProxy proxy{target};
  ProxyHolder(const NamePtr& name, std::chrono::nanoseconds patience) : target{&name, patience} {}
  ProxyHolder(const ProxyHolder&) = delete;
  ProxyHolder& operator=(const ProxyHolder&) = delete;
  const typename T::EpicProxy* operator->() const { return &proxy; }
};

}  // namespace detail

template <class T>
class Ref;

/// A Ref with a deadline of its own, for one call: `co_await player.with(2s)->enter_level(…)`.
template <class T>
class RefWith {
 public:
  RefWith(const Ref<T>& ref, std::chrono::nanoseconds patience) : name_(ref.epic_name()), patience_(patience) {}
  auto operator->() const { return detail::ProxyHolder<T>(name_, patience_); }

 private:
  detail::NamePtr name_;
  std::chrono::nanoseconds patience_;
};

template <class T>
class Ref {
 public:
  using EpicRefTag = T;

  /// Names nothing; a call on it throws std::logic_error.
  Ref() = default;
  /// The entity of class T with this key. Integer keys are their decimal text.
  explicit Ref(std::string_view key) : name_(detail::make_name(T::epic_type_name(), key)) {}
  explicit Ref(const char* key) : Ref(std::string_view(key)) {}
  explicit Ref(std::integral auto key) : Ref(std::string_view(std::to_string(key))) {}
  explicit Ref(detail::NamePtr name) : name_(std::move(name)) {}

  auto operator->() const { return detail::ProxyHolder<T>(name_, std::chrono::nanoseconds{0}); }
  /// The same entity, called with a deadline counted from the start of the call.
  [[nodiscard]] RefWith<T> with(std::chrono::nanoseconds patience) const { return RefWith<T>(*this, patience); }

  /// "Type/Key"; empty for a Ref that names nothing. The type is the class's stored name: the oldest, if it has had
  /// several, so that what was written down of it stays true.
  [[nodiscard]] std::string_view name() const { return name_ ? std::string_view(name_->text) : std::string_view(); }
  [[nodiscard]] std::string_view type() const { return name_ ? name_->type() : std::string_view(); }
  [[nodiscard]] std::string_view key() const { return name_ ? name_->key() : std::string_view(); }
  explicit operator bool() const { return static_cast<bool>(name_); }

  /// Names another entity; false, and unchanged, when the text is not "Type/Key". An empty text names nothing.
  bool try_assign_name(std::string_view text) {
    detail::NamePtr parsed;
    if (!text.empty() && !(parsed = detail::parse_name(text))) return false;
    name_ = std::move(parsed);
    return true;
  }
  [[nodiscard]] const detail::NamePtr& epic_name() const { return name_; }

  friend bool operator==(const Ref& left, const Ref& right) { return left.name() == right.name(); }
  friend auto operator<=>(const Ref& left, const Ref& right) { return left.name() <=> right.name(); }

 private:
  detail::NamePtr name_;
};

}  // namespace epic

template <class T>
struct std::hash<epic::Ref<T>> {
  std::size_t operator()(const epic::Ref<T>& ref) const noexcept { return std::hash<std::string_view>{}(ref.name()); }
};

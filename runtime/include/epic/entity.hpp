#pragma once
// Entity: the base of every entity class.
//
// An entity always exists: nothing creates it, and the first call activates it. The instance in memory (the activation)
// is default-constructed and then filled with the saved state. It is deactivated when idle, and activated again by the
// next call. Members not listed in state(…) start afresh with each activation.

#include <boost/describe/enum.hpp>
#include <cstdint>
#include <string_view>

#include "epic/call.hpp"
#include "epic/ref.hpp"
#include "epic/task.hpp"

namespace epic {

namespace detail {
/// Base of the proxies for a class without a base(…) section.
struct NoBaseProxy {
  explicit NoBaseProxy(const Target&) {}
};
struct NoBase {
  using EpicProxy = NoBaseProxy;
  using EpicCachedProxy = NoBaseProxy;
};
struct EntityAccess;
}  // namespace detail

/// Why an entity has come into memory: what has become of the members that are not saved, the last time.
enum class ActivationCause : std::uint8_t {
  first,      // nothing of it is saved, and its node has not had it in memory
  collected,  // it has left this node's memory in order: it was idle, memory was short, or an import replaced its state
  moved,      // its node before has given it away in order, or the fabric was stopped in order
  crashed,    // a node that had it has died, or its instance could not be kept: on_deactivate has not run, and what was
              // not saved is lost. Also for an entity that was not in memory then, and again after each move within an
              // hour, as nobody knows; in doubt it is `crashed`, never `moved`
};

BOOST_DESCRIBE_ENUM(ActivationCause, first, collected, moved, crashed)

class Entity {
 public:
  Entity() = default;
  Entity(const Entity&) = delete;
  Entity& operator=(const Entity&) = delete;
  virtual ~Entity() = default;

  /// Runs after the state is loaded and before the first call. What it changes is saved when it has returned; if it
  /// throws, the changes are dropped, the waiting calls fail with ActivationFailed, and the next call tries again.
  virtual Task<void> on_activate() { co_return; }
  /// Runs before the state is saved for the last time and the instance is destroyed. It does not run after a crash, so
  /// do nothing here that must happen.
  virtual Task<void> on_deactivate() { co_return; }

 protected:
  /// The part of the name after the first '/'.
  [[nodiscard]] std::string_view key() const { return epic_name_->key(); }

  friend struct detail::EntityAccess;
  detail::NamePtr epic_name_;
};

namespace detail {
/// How the kernel and the macro access an entity's name.
struct EntityAccess {
  static void set_name(Entity& entity, NamePtr name) { entity.epic_name_ = std::move(name); }
  static const NamePtr& name(const Entity& entity) { return entity.epic_name_; }
};
}  // namespace detail

/// Why the entity whose code runs is in memory; not in its constructor. The same until it leaves memory.
[[nodiscard]] ActivationCause activation_cause();

/// A Ref to the entity itself, to pass to others: `co_await room->join(self())`, inside a class with EPIC_ENTITY.
template <class T>
[[nodiscard]] Ref<T> self_of(const T& entity) {
  return detail::RefAccess::make<T>(detail::EntityAccess::name(entity));
}

}  // namespace epic

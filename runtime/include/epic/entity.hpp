#pragma once
// Entity: the base of every entity class.
//
// An entity always exists: nobody creates it, and the first call activates it. The instance in memory (the activation)
// is made by the default constructor, then filled with the saved state; it goes away when idle, and comes back on the
// next call. Members that are not listed in state(…) start anew with every activation.

#include <string_view>

#include "epic/call.hpp"
#include "epic/ref.hpp"
#include "epic/task.hpp"

namespace epic {

namespace detail {
/// What a class without a base(…) section inherits its tables and proxy from.
struct NoBaseProxy {
  explicit NoBaseProxy(const Target&) {}
};
struct EntityAccess;
}  // namespace detail

class Entity {
 public:
  Entity() = default;
  Entity(const Entity&) = delete;
  Entity& operator=(const Entity&) = delete;
  virtual ~Entity() = default;

  /// Runs once the state is there and before the first call. What it throws fails the calls that wait
  /// (ActivationFailed), and the next call tries again.
  virtual Task<void> on_activate() { co_return; }
  /// Runs before the state is saved for the last time and the instance goes away. Not after a crash: keep nothing in it
  /// that must happen.
  virtual Task<void> on_deactivate() { co_return; }

 protected:
  /// The part of the name behind the first '/'.
  [[nodiscard]] std::string_view key() const { return epic_name_->key(); }

  friend struct detail::EntityAccess;
  detail::NamePtr epic_name_;
};

namespace detail {
/// The kernel's and the macro's way to an entity's name.
struct EntityAccess {
  static void set_name(Entity& entity, NamePtr name) { entity.epic_name_ = std::move(name); }
  static const NamePtr& name(const Entity& entity) { return entity.epic_name_; }
};
}  // namespace detail

/// A Ref to the entity itself, to hand to others: `co_await room->join(self())`, inside a class with EPIC_ENTITY.
template <class T>
[[nodiscard]] Ref<T> self_of(const T& entity) {
  return Ref<T>(detail::EntityAccess::name(entity));
}

}  // namespace epic

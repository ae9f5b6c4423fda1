#pragma once
// HookRecord: an execution of an entity's hook, on_activate or on_deactivate.
//
// The hook is called when the execution starts, and not before: so one that throws at once, without being a coroutine,
// ends like a method that throws.

#include <coroutine>
#include <stdexcept>
#include <utility>

#include "epic/call.hpp"
#include "epic/entity.hpp"
#include "epic/task.hpp"

namespace epic::kernel {

class HookRecord final : public detail::ResultRecord<void> {
 public:
  explicit HookRecord(Task<void> (Entity::*hook)()) : hook_(hook) {}
  std::coroutine_handle<> start(Entity* entity) override {
    Task<void> task = (entity->*hook_)();
    if (!task.handle()) throw std::logic_error("it returned an empty Task");
    return adopt(std::move(task));
  }
  void* arguments() noexcept override { return nullptr; }

 private:
  Task<void> (Entity::*hook_)();
};

}  // namespace epic::kernel

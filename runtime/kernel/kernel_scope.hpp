#pragma once
// Scope: while it lives, its kernel is the thread's current one. here(): that one.

#include "kernel/kernel.hpp"

namespace epic::kernel {

struct Kernel::Scope {
  explicit Scope(Kernel& kernel);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Kernel* previous_;
  Calls* previous_calls_;
};

/// The thread's current kernel, for `what` of the user's that needs one.
inline Kernel& here(const char* what) {
  Kernel* const kernel = Kernel::current_kernel();
  if (kernel == nullptr) [[unlikely]]
    die_without_kernel(what);
  return *kernel;
}

}  // namespace epic::kernel

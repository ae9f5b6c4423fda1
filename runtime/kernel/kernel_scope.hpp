#pragma once
// Scope: while it exists, its kernel is the thread's current one, which here() returns.

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

/// The thread's current kernel, for user code doing `what`.
inline Kernel& here(const char* what) {
  Kernel* const kernel = Kernel::current_kernel();
  if (kernel == nullptr) [[unlikely]]
    die_without_kernel(what);
  return *kernel;
}

}  // namespace epic::kernel

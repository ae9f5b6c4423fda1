#pragma once
// Scope: while it lives, its kernel is the thread's current one.

#include "kernel/kernel.hpp"

namespace epic::kernel {

struct Kernel::Scope {
  explicit Scope(Kernel& kernel);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Kernel* previous_;
};

}  // namespace epic::kernel

#include "checkpoint.hpp"

#include <utility>

epic::Task<void> Checkpoint::keep(Saved now) {
  if (now.step > saved.step) saved = std::move(now);
  co_return;
}

epic::Task<Saved> Checkpoint::get() const { co_return saved; }

#pragma once
// Admission: whether this node takes on new work from outside. The kernel decides, its parts ask.

#include <string>
#include <string_view>

namespace epic::kernel {

struct Admission {
  bool is_draining = false;
  std::string blocked;  // why the store cannot write just now; empty: it can

  /// Why new work is refused; empty: it is not.
  [[nodiscard]] std::string_view refusal() const {
    return is_draining ? std::string_view("this node is shutting down") : std::string_view(blocked);
  }
};

}  // namespace epic::kernel

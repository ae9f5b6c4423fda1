#pragma once
// Admission: whether this node takes on new work. The kernel decides, its parts ask.

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace epic::kernel {

/// An entity that has killed its nodes again and again.
struct Quarantined {
  std::uint32_t deaths = 0;
  std::int64_t until_ns = 0;  // on the kernel's clock: it may be tried again
};

struct Admission {
  bool is_draining = false;
  bool is_stop_announced = false;                               // all shards will be asked back
  std::string blocked;                                          // why the store cannot write just now; empty: it can
  std::map<std::string, Quarantined, std::less<>> quarantined;  // by name, as in the store

  /// Why new work from outside is refused; empty: it is not.
  [[nodiscard]] std::string_view refusal() const {
    return is_draining ? std::string_view("this node is shutting down") : std::string_view(blocked);
  }
  /// Why the entity may not be activated now; empty: it may.
  [[nodiscard]] std::string refusal_of(std::string_view entity, std::int64_t now_ns) const {
    if (quarantined.empty()) return {};
    const auto found = quarantined.find(entity);
    if (found == quarantined.end() || found->second.until_ns <= now_ns) return {};
    return fmt::format("quarantined after {} crashes; next attempt in {} s", found->second.deaths,
                       (found->second.until_ns - now_ns + 999'999'999) / 1'000'000'000);
  }
};

}  // namespace epic::kernel

#pragma once
// RunningPage: which entity's code a kernel runs just now, in memory that outlives its process.
//
// A process may end at any instruction and without a last word: by _exit(), execve() or SIGKILL. So the names have to
// be there before. But a call inside the node takes 25 ns, and copying two names on each would be half of that. So
// names are written once for each entity and method, into one of a few places, and a call only says which place is its
// own. What is called by turns keeps its places; what shares a place with another writes it anew.
//
// Invariant: `place` is 0, or the number of a place whose names are complete.
// Not here:  how it is read (protocol/crash_report.hpp).

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernel/activations/activation.hpp"
#include "kernel/limits.hpp"
#include "kernel/record.hpp"

namespace epic::kernel {

using EntityText = std::array<char, limits::kTypeNameBytesMax + 1 + limits::kKeyBytesMax + 1>;
using MethodText = std::array<char, 128>;

struct RunningPage {
  static constexpr std::uint32_t kPlacesCount = 128;
  struct Place {
    ActivationId activation;  // with `method`: whose names these are
    const void* method;       // null: of nobody for long
    EntityText entity_name;   // "Type/Key" as in the store
    MethodText method_name;   // or hook, or "constructor"
  };
  std::atomic<std::uint32_t> place;  // 1: the first; 0: no entity's code runs
  std::array<Place, kPlacesCount> places;
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

/// Execution thread.
class RunningWriter {
 public:
  /// Null: nobody reads it. The page is zero at first, and outlives the kernel.
  void open(RunningPage* page) { page_ = page; }

  /// Code that runs from here on belongs to this execution; null: to none.
  [[gnu::always_inline]] void show(const Record* execution) {
    if (page_ == nullptr) return;
    if (execution == nullptr) return page_->place.store(0, std::memory_order_release);
    const auto* const activation = static_cast<const Activation*>(execution->activation);
    if (activation != nullptr && execution->method != nullptr) [[likely]] {
      const std::uint32_t number = number_of(activation->id, execution->method);
      const RunningPage::Place& place = page_->places[number];
      if (place.method == execution->method && place.activation == activation->id) [[likely]]
        return page_->place.store(number + 1, std::memory_order_release);
    }
    write(*execution);
  }
  /// Shows code of an entity outside of its executions, such as its constructor.
  void show(std::string_view entity, std::string_view what);

 private:
  [[nodiscard]] static std::uint32_t number_of(ActivationId activation, const void* method) {
    const auto address = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(method) / sizeof(void*));
    return (activation.slot * 5 + address) % RunningPage::kPlacesCount;
  }
  [[gnu::cold]] [[gnu::noinline]] void write(const Record& execution);
  void write(std::uint32_t number, ActivationId activation, const void* method, std::string_view entity_name,
             std::string_view method_name);

  RunningPage* page_ = nullptr;
};

}  // namespace epic::kernel

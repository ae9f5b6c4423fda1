#pragma once
// OutsideCalls: calls that no entity makes. Clients of the control socket make them by name, and a module's setup runs
// as a task of its own.

#include <chrono>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "epic/error.hpp"
#include "epic/module.hpp"
#include "kernel/admission.hpp"
#include "kernel/calls/calls.hpp"

namespace epic::kernel {

/// A module's setup as a task. What it throws without being a coroutine is the task's failure, too.
[[nodiscard]] Task<void> run_setup(SetupFn setup);

class OutsideCalls {
 public:
  using OnEnd = std::function<void(Record&)>;

  /// `send_keyed`: where an open call with an idempotency key goes.
  OutsideCalls(const Admission& admission, Scheduler& scheduler, TypeTable& types, Calls& calls,
               std::function<void(RecordRef)> send_keyed)
      : admission_(admission),
        scheduler_(scheduler),
        types_(types),
        calls_(calls),
        send_keyed_(std::move(send_keyed)) {}

  /// An empty record for a method by name, whose arguments the caller fills in; the error is one of the family.
  [[nodiscard]] std::expected<RecordRef, Error> make(std::string_view type, std::string_view key,
                                                     std::string_view method);
  /// Starts it, on whichever node owns the entity; with an idempotency key if it was given one (set_key). `on_end` runs
  /// once, when the result may be observed.
  void submit(RecordRef call, std::chrono::nanoseconds timeout, OnEnd on_end);
  /// Runs a Task that belongs to no entity. No deadline.
  void submit_task(Task<void> task, std::string label, OnEnd on_end);

 private:
  /// False: it has failed, and on_end has run.
  [[nodiscard]] bool open(Record& record);

  const Admission& admission_;
  Scheduler& scheduler_;
  TypeTable& types_;
  Calls& calls_;
  std::function<void(RecordRef)> send_keyed_;
};

}  // namespace epic::kernel

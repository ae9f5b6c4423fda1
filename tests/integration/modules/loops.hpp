#pragma once
// Entities that do not stop by themselves.

#include <chrono>
#include <cstdint>
#include <epic/epic.hpp>
#include <stdexcept>
#include <vector>

namespace loops {

class Looper : public epic::Entity {
  std::int64_t count = 0;

  epic::Task<void> loop() {
    while (true) {
      co_await epic::sleep(std::chrono::milliseconds(20));
      co_await self()->tick();
    }
  }

 public:
  /// A loop of the entity's own.
  epic::Task<void> start() {
    epic::spawn(loop());
    co_return;
  }
  /// A call that does not end.
  epic::Task<void> run() { co_await loop(); }
  epic::Task<std::int64_t> run_until_stopping() {
    while (!epic::stopping()) {
      co_await epic::sleep(std::chrono::milliseconds(20));
      ++count;
    }
    co_return count;
  }
  /// A turn that does not end.
  epic::Task<void> block() const {
    for (volatile bool is_on = true; is_on;) {
    }
    co_return;
  }
  /// Another's call that does not end, until it has counted. Returns whether that has noticed.
  epic::Task<bool> run_for_a_while(epic::Ref<Looper> other) {
    auto running = epic::spawn(other->run());
    while (co_await other->get() == 0) co_await epic::sleep(std::chrono::milliseconds(20));
    running.cancel();
    try {
      co_await running;
    } catch (const epic::Cancelled&) {
      co_return true;
    }
    co_return false;
  }
  /// Returns when nothing has counted for a while.
  epic::Task<std::int64_t> wait_until_still() const {
    for (std::int64_t before = -1; before != count;) {
      before = count;
      co_await epic::sleep(std::chrono::milliseconds(200));
    }
    co_return count;
  }
  epic::Task<std::int64_t> tick() { co_return ++count; }
  epic::Task<std::int64_t> get() const { co_return count; }
  EPIC_ENTITY(Looper, state(count),
              methods(start, run, run_until_stopping, run_for_a_while, wait_until_still, block, tick, get))
};

/// Never gets done with leaving.
class Lingerer : public epic::Entity {
 public:
  epic::Task<> on_deactivate() override { co_await epic::sleep(std::chrono::hours(1)); }
  epic::Task<> touch() { co_return; }
  EPIC_ENTITY(Lingerer, methods(touch), transient)
};

/// Ticks, and has a tick that does not end.
class Ticker : public epic::Entity {
  std::int64_t ticks = 0;
  std::int64_t activations = 0;
  std::vector<int> causes;  // of each activation
  epic::Event tenth;
  epic::Promise<std::int64_t> ticks_then;

  epic::Task<> loop() { co_await epic::sleep(std::chrono::hours(1)); }

 public:
  epic::Task<> on_activate() override {
    ++activations;
    causes.push_back(static_cast<int>(epic::activation_cause()));
    epic::every(std::chrono::milliseconds(20), &Ticker::tick);
    epic::after(std::chrono::milliseconds(1), &Ticker::loop);
    co_return;
  }
  epic::Task<> tick() {
    if (++ticks >= 10) tenth.set();
    if (tenth.is_set() && !ticks_then.is_set()) ticks_then.set_value(ticks);
    co_return;
  }
  epic::Task<std::int64_t> wait_for_tenth() {
    co_await tenth.wait();
    if (co_await ticks_then > ticks) throw std::logic_error("a promise has a result of the future");
    co_return ticks;
  }
  epic::Task<std::int64_t> get() const { co_return ticks; }
  epic::Task<std::int64_t> get_activations() const { co_return activations; }
  epic::Task<epic::ActivationCause> get_cause() const { co_return epic::activation_cause(); }
  EPIC_ENTITY(Ticker, state(ticks, activations, causes), methods(tick, wait_for_tenth, get, get_activations, get_cause))
};

}  // namespace loops

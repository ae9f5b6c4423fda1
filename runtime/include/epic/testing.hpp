#pragma once
// testing: entities in a test program, on one node, in the test's own thread.
//
//   epic::testing::Node node;                  // with the classes that this program is linked with
//   auto counter = node.get<Counter>("hello");
//   CHECK(node.call(counter->add(2)) == 2);
//   node.crash();                              // as kill -9: what comes back is what was saved
//   CHECK(node.call(counter->get()) == 2);
//
// The node is the real one, with its saving and its locks; only its surroundings are the test's: a store in memory, and
// a clock that stands still while code runs and jumps to the next thing that is due when all of it waits. So an hour's
// sleep takes no time, and every run is like the one before.
//
// Not here: several nodes, faults.

#include <chrono>
#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "epic/epic.hpp"

/// What EPIC_MODULE defines.
extern "C" const epic::ModuleInfo* epic_module();

namespace epic::testing {

/// What an entity wrote with epic::log, or the node about one.
struct LogLine {
  std::string entity;  // "Type/Key"; empty in setup
  std::string message;
};

/// Pinned to its thread. Refs and results may outlive it.
class Node {
 public:
  Node() : Node(*epic_module()) {}
  explicit Node(const ModuleInfo& module);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  template <class T>
  [[nodiscard]] Ref<T> get(std::string_view key) const {
    return Ref<T>(key);
  }
  template <class T>
  [[nodiscard]] Ref<T> get(std::integral auto key) const {
    return Ref<T>(key);
  }

  /// Makes the call and runs the node until it has ended. The result, or what the method threw.
  template <class R>
  R call(Call<R> call) {
    auto record = std::move(call).epic_take_record();
    run_to_end(detail::RecordPtr<detail::CallRecord>::share(*record));
    return record->take();
  }

  /// Runs the module's setup to its end. Throws what it throws.
  void run_setup();

  /// Lets time pass: whatever sleeps or is due meanwhile runs.
  void pass(std::chrono::nanoseconds duration);

  /// Saves everything and starts the node anew on the same store.
  void restart();
  /// Ends the node at once, wherever its code stands, and starts it anew on the same store.
  void crash();

  /// All lines so far.
  [[nodiscard]] std::vector<LogLine> log() const;

 private:
  void run_to_end(detail::RecordPtr<detail::CallRecord> record);

  struct Simulation;
  std::unique_ptr<Simulation> simulation_;
};

}  // namespace epic::testing

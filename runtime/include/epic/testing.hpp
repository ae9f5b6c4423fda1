#pragma once
// testing: entities in a test program, on one node, on the test's own thread.
//
//   epic::testing::Node node;                  // with the classes linked into this program
//   auto counter = node.get<Counter>("hello");
//   CHECK(node.call(counter->add(2)) == 2);
//   node.crash();                              // like kill -9: only what was saved comes back
//   CHECK(node.call(counter->get()) == 2);
//
// The node and its supervisor are the real ones, with their saving, locks and restarts; only their surroundings are
// simulated (as in epic/sim.hpp, without delays): the store is in memory, and the clock stands still while code runs,
// then jumps to the next due event when all code waits. So an hour's sleep takes no time, and every run is the same.
//
// Not here: several nodes, clients, faults (epic/sim.hpp); one entity whose calls the test answers (epic/script.hpp).

#include <chrono>
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "epic/epic.hpp"

/// What EPIC_MODULE defines.
extern "C" const epic::ModuleInfo* epic_module();

namespace epic::testing {

/// A line logged by an entity through epic::log, or by the node about an entity.
struct LogLine {
  std::string entity;  // "Type/Key"; empty in setup
  std::string message;
};

/// Stays on its thread. Refs and results may outlive it.
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

  /// Makes the call and runs the node until it ends. Returns the result, or throws what the method threw.
  template <class R>
  R call(Call<R> call) {
    auto record = std::move(call).epic_take_record();
    run_to_end(detail::RecordPtr<detail::CallRecord>::share(*record));
    return record->take();
  }

  /// Runs the module's setup to its end. Throws what setup throws.
  void run_setup();

  /// Advances the clock; everything that becomes due meanwhile runs.
  void pass(std::chrono::nanoseconds duration);

  /// Restarts the node on the same store, as `epic restart` does: running calls have 5 s to end, everything is saved.
  void restart();
  /// Ends the node at once, even in the middle of a call, and restarts it on the same store.
  void crash();

  /// A file of the project's (epic/files.hpp), as the entities find it; those of a node in a test are in memory.
  void put_file(const std::string& path, std::string content);
  /// Empty: there is none.
  [[nodiscard]] std::optional<std::string> find_file(const std::string& path) const;

  /// All lines logged so far.
  [[nodiscard]] std::vector<LogLine> log() const;

 private:
  void run_to_end(detail::RecordPtr<detail::CallRecord> record);

  struct Simulation;
  std::unique_ptr<Simulation> simulation_;
};

}  // namespace epic::testing

#include "sim/files_scenario.hpp"

#include <algorithm>
#include <epic/epic.hpp>
#include <functional>
#include <set>
#include <sstream>
#include <stdexcept>

#include "cluster/sim/user_fabric.hpp"

namespace epic::test {
namespace {

using namespace std::chrono_literals;
using epic::sim::Fabric;

constexpr std::int64_t kChroniclers = 4;

/// Writes each number that it counts into a file that it keeps open.
class Chronicler : public Entity {
  std::int64_t count_ = 0;
  File file_;

 public:
  Task<> on_activate() override { file_ = co_await open("chronicles/" + std::string(key()), FileMode::append); }
  Task<std::int64_t> note() {
    const std::int64_t number = ++count_;
    co_await file_.write(std::to_string(number) + "\n");
    co_return number;
  }
  Task<std::int64_t> note_through() {
    const std::int64_t number = ++count_;
    co_await file_.write(std::to_string(number) + "\n");
    co_await file_.sync();
    co_return number;
  }
  /// The last line, by a file of its own.
  Task<std::string> last_line() const {
    File file = co_await open("chronicles/" + std::string(key()), FileMode::read);
    std::string last;
    while (auto line = co_await file.read_line()) last = *std::move(line);
    co_return last;
  }
  Task<std::int64_t> count() const { co_return count_; }
  EPIC_ENTITY(Chronicler, state(count_), methods(note, note_through, last_line, count))
};

const ModuleInfo& chroniclers() {
  static const EntityInfoFn entities[] = {&Chronicler::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

/// By chronicler: numbers whose sync has succeeded.
using SyncedLines = std::vector<std::set<std::int64_t>>;

Task<> note_on(Fabric& fabric, std::uint16_t client, SyncedLines& synced) {
  for (int i = 0; i < 60; ++i) {
    const auto which = static_cast<std::int64_t>(fabric.draw(kChroniclers));
    const Ref<Chronicler> chronicler(which);
    try {
      if (fabric.draw(3) == 0) {
        synced[static_cast<std::size_t>(which)].insert(co_await fabric.call(chronicler->note_through(), client));
      } else if (fabric.draw(8) == 0) {
        const std::string last = co_await fabric.call(chronicler->last_line(), client);
        const std::int64_t count = co_await fabric.call(chronicler->count(), client);
        fabric.require(chronicler, last.empty() || std::stoll(last) <= count,
                       "the file has line {}, but the count is only {}", last, count);
      } else {
        co_await fabric.call(chronicler->note(), client);
      }
    } catch (const epic::sim::Violation&) {
      throw;
    } catch (const std::runtime_error&) {  // perhaps done, perhaps not: of a node, or of a full or failing disk
    }
    co_await fabric.sleep(std::chrono::milliseconds(fabric.draw(300)));
  }
}

std::vector<std::int64_t> lines_of(Fabric& fabric, std::int64_t chronicler) {
  std::istringstream file(fabric.find_file("chronicles/" + std::to_string(chronicler)).value_or(""));
  std::vector<std::int64_t> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(std::stoll(line));
  return lines;
}

Task<> keep_chronicles(Fabric& fabric) {
  SyncedLines synced(kChroniclers);
  std::vector<Task<>> tasks;
  for (std::uint16_t client = 0; client < 2; ++client) tasks.push_back(note_on(fabric, client, synced));
  co_await fabric.all(std::move(tasks));
  co_await fabric.settle();
  for (std::int64_t i = 0; i < kChroniclers; ++i) {
    const Ref<Chronicler> chronicler(i);
    const std::int64_t count = co_await fabric.insist([&] { return chronicler->count(); });
    const std::vector<std::int64_t> lines = lines_of(fabric, i);
    fabric.require(chronicler, lines.empty() || lines.back() <= count, "the file has line {}, but the count is only {}",
                   lines.empty() ? 0 : lines.back(), count);
    fabric.require(chronicler, std::ranges::is_sorted(lines, std::less_equal<>()), "its lines have lost their order");
    for (const std::int64_t number : synced[static_cast<std::size_t>(i)])
      fabric.require(chronicler, std::ranges::binary_search(lines, number), "line {} was synced, and is gone", number);
  }
  std::size_t synced_count = 0;
  for (const auto& numbers : synced) synced_count += numbers.size();
  fabric.require(synced_count > 5, "only {} lines were synced", synced_count);
}

}  // namespace

std::string run_files_scenario(std::int64_t seed) {
  const epic::sim::detail::Scenario scenario{"chronicles", {.fault_every = 1s}, &keep_chronicles, &chroniclers()};
  return cluster::sim::run_seed(scenario, {.seed = seed, .faults = {}, .on_fault = {}}).failure;
}

}  // namespace epic::test

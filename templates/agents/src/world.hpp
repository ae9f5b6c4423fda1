#pragma once
// World: how far the simulation is, and how far it shall go.
//
// It goes on in batches of steps, and after each of them it is saved how far all regions have come. A reminder sees to
// it that somebody goes on: it is saved, so after a crash the world wakes up on another node, and begins with the batch
// that was under way. Regions that have finished that say so at once.

#include <cstdint>
#include <epic/epic.hpp>
#include <string>
#include <vector>

#include "rules.hpp"

class World : public epic::Entity {
  Plan plan;
  std::int64_t step = 0;
  std::int64_t batch_end = 0;  // of the batch under way
  std::int64_t target = 0;
  std::vector<Tally> history;  // of the last batches
  bool is_running_ = false;
  epic::Event progress_;

 public:
  static constexpr std::int64_t kBatch = 10;  // steps between two checkpoints
  static constexpr std::size_t kHistoryMax = 100;
  static constexpr std::int32_t kPictureCellsMax = 4'096;  // along each side: a file has at most 64 MiB

  /// Before its first step; throws afterwards, unless the plan is the same.
  epic::Task<void> set_plan(Plan new_plan);
  /// Runs until that step, unless it has already been reached, whatever crashes meanwhile.
  epic::Task<void> start(std::int64_t wanted);
  /// The same, and waits for it.
  epic::Task<Tally> run_to(std::int64_t wanted);
  /// Ends after the batch under way; who waits for a later step gets an error.
  epic::Task<void> stop();
  /// Writes a picture into a file, between two batches: "world.bmp".
  epic::Task<void> draw(std::string path);

  /// The last batches, oldest first.
  epic::Task<std::vector<Tally>> get_history() const;

  /// A reminder: goes on, if nobody does.
  epic::Task<void> go_on();
  /// The next batch. Exclusive, as is `draw`: so a picture shows one moment.
  epic::Task<void> advance();

  EPIC_ENTITY(World, state(plan, step, batch_end, target, history), exclusive(advance, draw),
              methods(set_plan, start, run_to, stop, get_history, go_on))

 private:
  void aim_at(std::int64_t wanted);
  void run_if_needed();
  epic::Task<void> run();
};

#pragma once
// Region: a square of the world, with the agents in it as plain values.
//
// It needs nobody's permission for a step, only its four neighbours: when they, too, have made the first half of it, it
// asks each for the agents that come over the border, and makes the second half. So no region waits for a distant one,
// and two neighbours are never more than a step apart.
//
// It lives in memory only. At the end of a batch of steps it puts itself into its checkpoint, and after a crash begins
// there again. Meanwhile its neighbours wait, and repeat what they have asked; they still know who left them in each
// step of the batch. So only what was lost is computed again.

#include <cstdint>
#include <epic/epic.hpp>
#include <vector>

#include "checkpoint.hpp"
#include "place.hpp"
#include "rules.hpp"

class Region : public epic::Entity {
  Saved now_;  // `log`: of the steps since log_begins_, the half of the next one included
  std::int64_t log_begins_ = 0;
  std::int64_t saved_step_ = -1;
  mutable epic::Event moved_;  // the first half of a step is done

 public:
  epic::Task<> on_activate() override;

  /// Makes the steps after `from` up to `to`. Asked again, it goes on where it is, and returns the same. Exclusive: who
  /// asks again, because of a lost answer, waits for the first time to end.
  epic::Task<Tally> advance(Plan plan, Place place, std::int64_t from, std::int64_t to);

  /// Those who have left it in this step in this direction (east, south, west, north). Waits for the step.
  epic::Task<std::vector<Agent>> get_leavers(std::int64_t step, std::int32_t way) const;

  /// A byte for each cell, row by row: its grass, plus 16 for each agent up to 15.
  epic::Task<epic::Bytes> paint(Plan plan, Place place) const;

  EPIC_ENTITY(Region, transient, exclusive(advance), methods(get_leavers, paint))

 private:
  epic::Task<std::vector<Agent>> fetch_arrivals(Plan plan, Place place) const;
  epic::Ref<Checkpoint> checkpoint() const { return epic::Ref<Checkpoint>(key()); }
};

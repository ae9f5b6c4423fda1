#pragma once
// Checkpoint: what of a region survives its node. Checkpoint/main/3-5 belongs to Region/main/3-5.
//
// It is apart from the region because a region changes many times a second, and what is saved only every few steps. It
// holds the field as it was then, and who had left it in the steps before: a neighbour that has crashed, and computes
// those steps again, asks for them once more.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <epic/epic.hpp>
#include <vector>

#include "rules.hpp"

struct Saved {
  std::int64_t step = -1;  // none: nothing is saved yet
  Field field;
  std::vector<Leavers> log;  // of the last steps, up to `step`
};
BOOST_DESCRIBE_STRUCT(Saved, (), (step, field, log))

class Checkpoint : public epic::Entity {
  Saved saved;

 public:
  /// Replaces an older one.
  epic::Task<void> keep(Saved now);
  epic::Task<Saved> get() const;

  EPIC_ENTITY(Checkpoint, state(saved), methods(keep, get))
};

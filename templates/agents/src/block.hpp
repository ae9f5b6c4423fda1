#pragma once
// Block: asks four regions, or four smaller blocks, for something, and puts their answers together.
//
// With a thousand regions a world that asked each of them would be busy with that alone, and its node with the answers.
// So blocks form a tree, spread over all nodes: each of them waits for four answers, however large the world is.

#include <epic/epic.hpp>

#include "place.hpp"
#include "rules.hpp"

class Block : public epic::Entity {
 public:
  /// As of Region, for all regions in it.
  epic::Task<Tally> advance(Plan plan, Place place, std::int64_t from, std::int64_t to) const;
  epic::Task<epic::Bytes> paint(Plan plan, Place place) const;

  EPIC_ENTITY(Block, transient, methods(advance, paint))
};

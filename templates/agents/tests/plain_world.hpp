#pragma once
// run_plainly: the same world in one piece, as a program without epic would compute it.

#include "place.hpp"
#include "rules.hpp"

inline Tally run_plainly(const Plan& plan, std::int64_t steps) {
  const Square all{.side = plan.cells()};
  Field field = rules::make_field(plan, all);
  for (std::int64_t step = 1; step <= steps; ++step) {
    std::vector<Agent> arrivals;
    for (const auto& group : rules::move(plan, all, step, field))
      arrivals.insert(arrivals.end(), group.begin(), group.end());
    rules::live(plan, all, step, arrivals, field);
  }
  return rules::count(plan, all, field);
}

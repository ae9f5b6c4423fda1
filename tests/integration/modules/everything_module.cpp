#include "everything.hpp"

using market::Appraiser, market::Stall;
using town::Being, town::Citizen;

namespace {
epic::Task<void> setup(epic::Pool pool) {
  std::vector<market::Item> items(1);
  items[0].name = "apple";
  items[0].count = 100;
  const auto stall = pool.get<Stall>("square");
  if ((co_await stall->shelf()).empty()) co_await stall->stock(items);
}
}  // namespace

EPIC_MODULE(setup, Stall, Appraiser, Being, Citizen)

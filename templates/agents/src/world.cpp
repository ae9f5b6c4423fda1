#include "world.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "insist.hpp"
#include "picture.hpp"
#include "place.hpp"
#include "region.hpp"

using namespace std::chrono_literals;

namespace {

constexpr auto kBatchPatience = 10min;

}  // namespace

epic::Task<void> World::set_plan(Plan new_plan) {
  new_plan.world = key();
  if (new_plan == plan) co_return;
  if (target > 0) throw std::logic_error(fmt::format("{} has begun, with another plan", self().name()));
  const auto check = [](const char* what, std::int32_t value, std::int32_t least, std::int32_t most) {
    if (value < least || value > most)
      throw std::invalid_argument(fmt::format("{} is {} to {}, not {}", what, least, most, value));
  };
  check("regions", new_plan.regions, 2, 64);
  check("side", new_plan.side, 1, 256);
  check("density", new_plan.density, 0, 100);
  plan = std::move(new_plan);
}

epic::Task<void> World::start(std::int64_t wanted) {
  aim_at(wanted);
  co_return;
}

epic::Task<Tally> World::run_to(std::int64_t wanted) {
  aim_at(wanted);
  while (step < wanted) {
    co_await progress_.wait();
    if (target < wanted) throw std::runtime_error(fmt::format("{} has been stopped", self().name()));
  }
  co_return history.back();
}

epic::Task<void> World::stop() {
  target = std::max(step, batch_end);
  progress_.set();
  progress_.reset();
  co_return;
}

void World::aim_at(std::int64_t wanted) {
  if (wanted < 1) throw std::invalid_argument("the first step is 1");
  plan.world = key();
  if (wanted > target) {
    target = wanted;
    epic::remind("go on", 1s, 1s, &World::go_on);
  }
  run_if_needed();
}

epic::Task<void> World::go_on() {
  if (step == target) epic::forget("go on");
  run_if_needed();
  co_return;
}

void World::run_if_needed() {
  if (step < target && !std::exchange(is_running_, true)) epic::spawn(run());
}

epic::Task<void> World::run() {
  try {
    while (step < target) co_await self().with(kBatchPatience)->advance();
  } catch (const epic::Cancelled&) {
    is_running_ = false;
    throw;
  } catch (const std::exception& error) {
    epic::log::warn("The batch after step {} has failed, and begins again: {}", step, error.what());
  }
  is_running_ = false;
}

// A batch that has failed ends where it was meant to: some regions may be there.
epic::Task<void> World::advance() {
  if (step == target) co_return;
  if (batch_end <= step) batch_end = std::min(step + kBatch, target);
  const std::int64_t from = step;
  const std::int64_t to = batch_end;
  const auto places = places_of(plan);
  const auto advance = [=, plan = plan](Place place) -> epic::Task<Tally> {
    const auto region = epic::Ref<Region>(key_of(plan, place)).with(kBatchPatience);
    co_return co_await insist([&] { return region->advance(plan, place, from, to); });
  };
  // All of them at once: they wait for each other.
  Tally tally = co_await epic::reduce(places, advance, rules::add, Tally{.step = to}, {.at_once = places.size()});
  step = to;
  history.push_back(std::move(tally));
  if (history.size() > kHistoryMax) history.erase(history.begin());
  progress_.set();
  progress_.reset();
}

epic::Task<void> World::draw(std::string path) {
  if (plan.cells() > kPictureCellsMax)
    throw std::logic_error(fmt::format("{} has {} cells along each side: too many for a picture, which has up to {}",
                                       self().name(), plan.cells(), kPictureCellsMax));
  if (step == 0) throw std::logic_error(fmt::format("{} has not begun", self().name()));
  std::vector<epic::Task<epic::Bytes>> calls;
  for (const Place& place : places_of(plan))
    calls.push_back(insist(
        [region = epic::Ref<Region>(key_of(plan, place)), plan = plan, place] { return region->paint(plan, place); }));
  co_await epic::write_file(std::move(path), picture_of(co_await epic::gather(std::move(calls)), plan));
}

epic::Task<std::vector<Tally>> World::get_history() const { co_return history; }

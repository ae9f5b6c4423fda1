#include "world.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "block.hpp"
#include "insist.hpp"
#include "picture.hpp"

using namespace std::chrono_literals;

namespace {

constexpr auto kBatchPatience = 10min;

Place whole(const Plan& plan) { return {.level = plan.levels}; }

epic::Ref<Block> root_of(const Plan& plan) { return epic::Ref<Block>(block_key(plan, whole(plan))); }

}  // namespace

epic::Task<void> World::set_plan(Plan new_plan) {
  new_plan.world = key();
  if (new_plan == plan) co_return;
  if (target > 0) throw std::logic_error(fmt::format("{} has begun, with another plan", self().name()));
  if (new_plan.levels < 1 || new_plan.levels > 10 || new_plan.side < 1 || new_plan.side > 256)
    throw std::invalid_argument("a world has 1 to 10 levels, and regions of 1 to 256 cells along each side");
  plan = std::move(new_plan);
}

epic::Task<void> World::start(std::int64_t wanted) {
  aim_at(wanted);
  co_return;
}

epic::Task<Tally> World::run_to(std::int64_t wanted) {
  aim_at(wanted);
  while (step < wanted) co_await progress_.wait();
  co_return history.back();
}

void World::aim_at(std::int64_t wanted) {
  if (wanted < 1) throw std::invalid_argument("the first step is 1");
  plan.world = key();
  if (wanted > target) {
    target = wanted;
    epic::remind("go on", 1s, 1s, &World::go_on);
  }
  if (step < target && !is_running_) epic::spawn(run());
}

epic::Task<void> World::go_on() {
  if (step == target)
    epic::forget("go on");
  else if (!is_running_)
    epic::spawn(run());
  co_return;
}

epic::Task<void> World::run() {
  is_running_ = true;
  try {
    while (step < target) co_await self().with(kBatchPatience)->advance();
  } catch (const epic::Cancelled&) {
    throw;
  } catch (const std::exception& error) {
    epic::log::warn("The batch after step {} has failed, and begins again: {}", step, error.what());
  }
  is_running_ = false;
}

epic::Task<void> World::advance() {
  const std::int64_t from = step;
  const std::int64_t to = std::min(from + kBatch, target);
  if (from == to) co_return;
  const Tally tally =
      co_await insist([=, this] { return root_of(plan).with(kBatchPatience)->advance(plan, whole(plan), from, to); });
  step = to;
  history.push_back(tally);
  if (history.size() > kHistoryMax) history.erase(history.begin());
  progress_.set();
  progress_.reset();
}

epic::Task<void> World::draw(std::string path) {
  if (step == 0) throw std::logic_error(fmt::format("{} has not begun", self().name()));
  const epic::Bytes cells = co_await insist([this] { return root_of(plan)->paint(plan, whole(plan)); });
  co_await epic::write_file(std::move(path), picture_of(cells, plan.cells()));
}

epic::Task<std::vector<Tally>> World::get_history() const { co_return history; }

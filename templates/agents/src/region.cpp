#include "region.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "insist.hpp"

epic::Task<> Region::on_activate() {
  now_ = co_await insist([checkpoint = checkpoint()] { return checkpoint->get(); });
  log_begins_ = now_.step - std::ssize(now_.log);
  saved_step_ = now_.step;
}

epic::Task<Tally> Region::advance(Plan plan, Place place, std::int64_t from, std::int64_t to) {
  const Square square = square_of(plan, place);
  if (from == 0 && now_.step < 0) {
    now_.field = rules::make_field(plan, square);
    now_.step = log_begins_ = 0;
  }
  if (now_.step < from || now_.step > to)
    throw std::logic_error(
        fmt::format("{} is at step {}, and cannot go from {} to {}", self().name(), now_.step, from, to));
  if (now_.step == from && log_begins_ < from) {  // nobody can ask for older steps any longer
    now_.log.clear();
    log_begins_ = from;
  }

  while (now_.step < to) {
    const std::int64_t step = now_.step + 1;
    if (log_begins_ + std::ssize(now_.log) < step) {  // unless that was done when a neighbour could not be reached
      now_.log.push_back(rules::move(plan, square, step, now_.field));
      moved_.set();
      moved_.reset();
    }
    const std::vector<Agent> arrivals = co_await fetch_arrivals(plan, place);
    rules::live(plan, square, step, arrivals, now_.field);
    now_.step = step;
  }
  if (saved_step_ < to) {
    co_await insist([this] { return checkpoint()->keep(now_); });
    saved_step_ = to;
  }
  Tally tally = rules::count(plan, square, now_.field);
  tally.step = now_.step;
  co_return tally;
}

epic::Task<std::vector<Agent>> Region::fetch_arrivals(Plan plan, Place place) const {
  struct Neighbour {
    std::int32_t x, y, way;  // the way from it to here
  };
  static constexpr std::array<Neighbour, 4> kNeighbours = {{{-1, 0, 0}, {0, -1, 1}, {1, 0, 2}, {0, 1, 3}}};
  const std::int64_t step = now_.step + 1;
  std::vector<epic::Task<std::vector<Agent>>> calls;
  for (const Neighbour& neighbour : kNeighbours) {
    const Place there{.x = (place.x + neighbour.x + plan.regions) % plan.regions,
                      .y = (place.y + neighbour.y + plan.regions) % plan.regions};
    const epic::Ref<Region> region(key_of(plan, there));
    calls.push_back(insist([region, step, way = neighbour.way] { return region->get_leavers(step, way); }));
  }
  std::vector<Agent> arrivals;
  for (const auto& group : co_await epic::gather(std::move(calls)))
    arrivals.insert(arrivals.end(), group.begin(), group.end());
  co_return arrivals;
}

epic::Task<std::vector<Agent>> Region::get_leavers(std::int64_t step, std::int32_t way) const {
  while (log_begins_ + std::ssize(now_.log) < step) co_await moved_.wait();
  if (step <= log_begins_) throw std::logic_error(fmt::format("{} no longer knows step {}", self().name(), step));
  co_return now_.log[static_cast<std::size_t>(step - log_begins_ - 1)].at(static_cast<std::size_t>(way));
}

epic::Task<epic::Bytes> Region::paint(Plan plan, Place place) const {
  const Square square = square_of(plan, place);
  std::vector<std::uint8_t> cells = now_.field.grass;
  for (const Agent& agent : now_.field.agents) {
    std::uint8_t& cell = cells[static_cast<std::size_t>(agent.y - square.y) * square.side + (agent.x - square.x)];
    if (cell < 0xf0) cell += 0x10;
  }
  epic::Bytes bytes(cells.size());
  std::ranges::transform(cells, bytes.begin(), [](std::uint8_t cell) { return std::byte{cell}; });
  co_return bytes;
}

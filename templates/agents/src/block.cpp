#include "block.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "insist.hpp"
#include "region.hpp"

namespace {

constexpr std::chrono::minutes kPatience{5};  // a batch of steps may take long

// The one place where a question becomes many: `ask` makes the call of a Ref<Region> or of a Ref<Block>.
template <class Ask>
auto ask_quarters(Plan plan, Place place, Ask ask) {
  using Answer = typename std::invoke_result_t<Ask&, const epic::RefWith<Region>&, const Place&>::value_type;
  std::vector<epic::Task<Answer>> answers;
  for (const Place& quarter : place.quarters())
    answers.push_back(insist([=] {
      if (quarter.level == 0)
        return ask(epic::Ref<Region>(region_key(plan, quarter.x, quarter.y)).with(kPatience), quarter);
      return ask(epic::Ref<Block>(block_key(plan, quarter)).with(kPatience), quarter);
    }));
  return epic::gather(std::move(answers));
}

}  // namespace

epic::Task<Tally> Block::advance(Plan plan, Place place, std::int64_t from, std::int64_t to) const {
  Tally sum{.step = to};
  const auto ask = [=](const auto& ref, const Place& quarter) { return ref->advance(plan, quarter, from, to); };
  for (const Tally& tally : co_await ask_quarters(plan, place, ask)) rules::add(sum, tally);
  co_return sum;
}

epic::Task<epic::Bytes> Block::paint(Plan plan, Place place) const {
  const auto ask = [=](const auto& ref, const Place& quarter) { return ref->paint(plan, quarter); };
  const std::vector<epic::Bytes> quarters = co_await ask_quarters(plan, place, ask);
  const std::ptrdiff_t half = square_of(plan, place).side / 2;
  epic::Bytes picture;
  picture.reserve(static_cast<std::size_t>(4 * half * half));
  for (std::ptrdiff_t row = 0; row < 2 * half; ++row)
    for (std::size_t column = 0; column < 2; ++column) {
      const epic::Bytes& quarter = quarters[(row < half ? 0 : 2) + column];
      const auto first = quarter.begin() + row % half * half;
      picture.insert(picture.end(), first, first + half);
    }
  co_return picture;
}

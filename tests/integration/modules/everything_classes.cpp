// The method bodies, out of line, where each class sees the complete other one.

#include "everything.hpp"

#include <ranges>

namespace market {

epic::Task<std::int64_t> Appraiser::appraise(std::vector<Item> items) {
  std::int64_t worth = 0;
  for (const Item& item : items) {
    co_await epic::sleep(std::chrono::milliseconds(1));
    worth += item.count * (item.quality == Quality::fine ? 5 : 2);
  }
  co_return worth;
}

epic::Task<void> Stall::stock(std::vector<Item> items) {
  for (Item& item : items) {
    Item& there = shelf_[item.name];
    const std::int32_t count = there.count + item.count;
    there = item;
    there.count = count;
  }
  co_return;
}

epic::Task<Receipt> Stall::buy(epic::Ref<town::Citizen> buyer, std::string item,
                               std::variant<std::int64_t, std::string> paid_with) {
  const auto found = shelf_.find(item);
  if (found == shelf_.end() || found->second.count == 0) throw SoldOut("no " + item + " left at " + std::string(key()));
  if (const auto* coins = std::get_if<std::int64_t>(&paid_with)) co_await buyer->pay(*coins);
  Item& on_shelf = shelf_[item];  // looked up again: the shelf may have been stocked meanwhile
  --on_shelf.count;
  Item sold = on_shelf;
  sold.count = 1;
  last_sold_ = sold;
  receipts_.push_back({buyer, sold, paid_with});
  co_return receipts_.back();
}

epic::Task<std::map<std::string, Item>> Stall::shelf() const { co_return shelf_; }
epic::Task<std::vector<Receipt>> Stall::receipts() const { co_return receipts_; }

epic::Task<std::vector<std::int64_t>> Stall::celebrate() {
  const std::vector<Receipt> receipts = receipts_;
  const auto buyers = receipts | std::views::transform(&Receipt::buyer);
  const epic::BroadcastResult result = co_await epic::broadcast(buyers, &town::Citizen::grow_older, 1);
  const std::int64_t years = co_await epic::reduce(
      receipts, [](const Receipt& receipt) { return receipt.buyer->age(); },
      [](std::int64_t sum, std::int32_t age) { return sum + age; }, std::int64_t{0});
  co_return std::vector<std::int64_t>{static_cast<std::int64_t>(result.succeeded),
                                      static_cast<std::int64_t>(result.failed), years};
}

epic::Task<std::vector<std::string>> Stall::keep_books(std::string line) {
  const std::string path = "books/" + std::string(key());
  if (!books_.is_open()) books_ = co_await epic::open(path, epic::FileMode::append);
  co_await books_.write(line + "\n");
  co_await books_.sync();
  epic::File copy = co_await epic::open(path, epic::FileMode::read);
  std::vector<std::string> lines;
  while (std::optional<std::string> next = co_await copy.read_line()) lines.push_back(*std::move(next));
  co_return lines;
}

}  // namespace market

namespace town {

epic::Task<std::int32_t> Being::grow_older(std::int32_t years) { co_return age_ += years; }
epic::Task<std::int32_t> Being::age() const { co_return age_; }

epic::Task<std::string> Citizen::shop(epic::Ref<market::Stall> stall, std::string item) {
  try {
    const market::Receipt receipt = co_await stall->buy(self(), item, std::int64_t{3});
    bag_.emplace_back(receipt.item);
    friends_.insert(std::string(stall.key()));
    co_return "bought " + receipt.item.name;
  } catch (const epic::CallFailed& error) {
    co_return error.type_name() + ": " + error.what();
  }
}

epic::Task<std::optional<market::Item>> Citizen::look(epic::Ref<market::Stall> stall, std::string item,
                                                      std::chrono::milliseconds lately) const {
  const std::map<std::string, market::Item> shelf = co_await stall.cached(lately)->shelf();
  const auto found = shelf.find(item);
  if (found == shelf.end()) co_return std::nullopt;
  co_return found->second;
}

epic::Task<std::int64_t> Citizen::appraise_bag() const {
  std::vector<epic::Call<std::int64_t>> calls;
  for (const std::optional<market::Item>& item : bag_)
    if (item) calls.push_back(epic::Ref<market::Appraiser>("square")->appraise({*item}));
  std::int64_t worth = 0;
  for (const std::int64_t one : co_await epic::gather(std::move(calls))) worth += one;
  co_return worth;
}

epic::Task<std::int64_t> Citizen::pay(std::int64_t coins) {
  if (coins > purse_) throw std::domain_error("the purse holds only " + std::to_string(purse_));
  co_return purse_ -= coins;
}

epic::Task<std::int64_t> Citizen::purse() const { co_return purse_; }
epic::Task<std::string> Citizen::echo(std::string text) { co_return text; }

epic::Task<std::uint64_t> Citizen::write_diary(std::uint64_t bytes) {
  diary_.assign(bytes, 'd');
  co_return diary_.size();
}

epic::Task<std::uint64_t> Citizen::diary_bytes() const { co_return diary_.size(); }

}  // namespace town

const epic::ModuleInfo& everything_module() {
  static const epic::EntityInfoFn entities[] = {&market::Stall::epic_info, &market::Appraiser::epic_info,
                                                &town::Being::epic_info, &town::Citizen::epic_info};
  static const epic::ModuleInfo info{EPIC_ABI_TAG, entities, &epic::no_setup};
  return info;
}

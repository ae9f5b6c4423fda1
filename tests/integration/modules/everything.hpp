#pragma once
// A module that uses all of the programming model: two namespaces with classes that refer to each other, private state,
// described structs inside optional, variant, map and vector, locks, a base class, exceptions, large arguments and
// state, one call of many entities, copies of results, files, a local class. Loaded by real nodes in the integration
// tests, and linked into the simulated ones.

#include <epic/epic.hpp>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace town {
class Citizen;
}

namespace market {

enum class Quality { poor, fair, fine };
BOOST_DESCRIBE_ENUM(Quality, poor, fair, fine)

struct Item {
  std::string name;
  std::int32_t count = 0;
  Quality quality = Quality::fair;
  std::optional<std::chrono::seconds> keeps_for;
  bool operator==(const Item&) const = default;
};
BOOST_DESCRIBE_STRUCT(Item, (), (name, count, quality, keeps_for))

struct Receipt {
  epic::Ref<town::Citizen> buyer;
  Item item;
  std::variant<std::int64_t, std::string> paid_with;  // coins, or a promise
};
BOOST_DESCRIBE_STRUCT(Receipt, (), (buyer, item, paid_with))

/// Thrown across nodes.
struct SoldOut : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// On every node.
class Appraiser : public epic::Entity {
 public:
  epic::Task<std::int64_t> appraise(std::vector<Item> items);
  EPIC_ENTITY(Appraiser, methods(appraise), local(2))
};

class Stall : public epic::Entity {
 public:
  epic::Task<void> stock(std::vector<Item> items);
  epic::Task<Receipt> buy(epic::Ref<town::Citizen> buyer, std::string item,
                          std::variant<std::int64_t, std::string> paid_with);
  epic::Task<std::map<std::string, Item>> shelf() const;
  epic::Task<std::vector<Receipt>> receipts() const;
  /// A year passes for all that have bought something: how many of them, how many perhaps not, and how old all are
  /// then.
  epic::Task<std::vector<std::int64_t>> celebrate();
  /// Adds a line to the stall's books, a file that stays open. Returns all lines.
  epic::Task<std::vector<std::string>> keep_books(std::string line);

 private:
  std::map<std::string, Item> shelf_;
  std::vector<Receipt> receipts_;
  std::optional<Item> last_sold_;
  epic::File books_;
  EPIC_ENTITY(Stall, state(shelf_, receipts_, last_sold_), methods(stock, shelf, receipts, celebrate, keep_books),
              exclusive(buy))
};

}  // namespace market

namespace town {

/// What every living thing in the town has.
class Being : public epic::Entity {
 public:
  epic::Task<std::int32_t> grow_older(std::int32_t years);
  epic::Task<std::int32_t> age() const;

 protected:
  std::int32_t age_ = 0;
  EPIC_ENTITY(Being, state(age_), methods(grow_older, age))
};

class Citizen : public Being {
 public:
  /// Goes to the stall, which may know this citizen, and which calls back for the purse.
  epic::Task<std::string> shop(epic::Ref<market::Stall> stall, std::string item);
  /// What the stall had of the item lately, if it had any.
  epic::Task<std::optional<market::Item>> look(epic::Ref<market::Stall> stall, std::string item,
                                               std::chrono::milliseconds lately) const;
  /// What the bag is worth, item by item and at one time.
  epic::Task<std::int64_t> appraise_bag() const;
  epic::Task<std::int64_t> pay(std::int64_t coins);
  epic::Task<std::int64_t> purse() const;
  /// Echoes a text of any size.
  epic::Task<std::string> echo(std::string text);
  epic::Task<std::uint64_t> write_diary(std::uint64_t bytes);
  epic::Task<std::uint64_t> diary_bytes() const;

 private:
  std::int64_t purse_ = 10;
  std::vector<std::optional<market::Item>> bag_;
  std::array<std::int16_t, 3> position_{};
  std::tuple<bool, double, std::string> mood_{true, 0.5, "calm"};
  std::set<std::string> friends_;
  std::string diary_;
  EPIC_ENTITY(Citizen, base(Being), state(purse_, bag_, position_, mood_, friends_, diary_),
              methods(shop, look, appraise_bag, pay, purse, echo, write_diary, diary_bytes))
};

}  // namespace town

const epic::ModuleInfo& everything_module();

// says: this method's result cannot be copied
#include <epic/epic.hpp>

class Shop : public epic::Entity {
 public:
  epic::Task<std::pair<int, std::vector<std::unique_ptr<int>>>> get_prices() const { co_return {}; }
  EPIC_ENTITY(Shop, methods(get_prices))
};
epic::Task<> use(epic::Ref<Shop> shop) { co_await shop.cached(std::chrono::seconds(1))->get_prices(); }

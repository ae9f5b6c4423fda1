// says: no member named 'prices' in 'Shop::CachedMethodsListedInEpicEntity
#include <epic/epic.hpp>

class Shop : public epic::Entity {
 public:
  epic::Task<int> price() const { co_return 1; }
  epic::Task<int> prices() const { co_return 1; }
  EPIC_ENTITY(Shop, methods(price))
};
epic::Task<int> use(epic::Ref<Shop> shop) { co_return co_await shop.cached(std::chrono::seconds(1))->prices(); }

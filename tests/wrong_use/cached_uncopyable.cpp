// says: this method's result cannot be copied
#include <epic/epic.hpp>

class Shop : public epic::Entity {
 public:
  epic::Task<std::vector<std::unique_ptr<int>>> prices() const { co_return {}; }
  EPIC_ENTITY(Shop, methods(prices))
};
epic::Task<> use(epic::Ref<Shop> shop) { co_await shop.cached(std::chrono::seconds(1))->prices(); }

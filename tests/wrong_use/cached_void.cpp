// says: cached() keeps what a method returns, and this one returns nothing
#include <epic/epic.hpp>

class Shop : public epic::Entity {
 public:
  epic::Task<> check() const { co_return; }
  EPIC_ENTITY(Shop, methods(check))
};
epic::Task<> use(epic::Ref<Shop> shop) { co_await shop.cached(std::chrono::seconds(1))->check(); }

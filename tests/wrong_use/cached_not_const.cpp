// says: cached() is for const methods: one that may change its entity must run
#include <epic/epic.hpp>

class Shop : public epic::Entity {
 public:
  epic::Task<int> sell() { co_return 1; }
  EPIC_ENTITY(Shop, methods(sell))
};
epic::Task<int> use(epic::Ref<Shop> shop) { co_return co_await shop.cached(std::chrono::seconds(1))->sell(); }
